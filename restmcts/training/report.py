"""What a training phase tells: progress while it runs, a report when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """The state of a training after ``step`` of ``total`` optimizer updates.

    ``loss`` is the mean since the report before; ``tokens_per_second`` counts prompt and step tokens,
    without padding, since the start; 0 for a point from before the training was interrupted.
    """

    step: int
    total: int
    loss: float
    learning_rate: float
    tokens_per_second: float


OnProgress = Callable[[TrainingProgress], None]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a training went.

    ``curve`` holds pairs of an update and the mean loss since the pair before. ``samples`` counts the
    samples used, ``skipped`` those left out, by reason. ``tokens`` counts the tokens read in all
    updates, without padding. ``seconds`` is wall time, the only field that differs between equal runs.
    """

    curve: tuple[tuple[int, float], ...]
    updates: int
    samples: int
    skipped: Mapping[str, int]
    tokens: int
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def first_loss(self) -> float:
        return self.curve[0][1]

    @property
    def last_loss(self) -> float:
        return self.curve[-1][1]
