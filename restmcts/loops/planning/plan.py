"""What a run is going to take, before it is started: tokens, updates, time and disk.

Everything follows from the recipe, the numbers of problems and the sizes of the models. Tokens, samples and
updates are upper bounds: every step and every trace is as long as it may be, and every trace is kept. None
stands for what nothing bounds before the run, and totals leave it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from restmcts.training.settings import TrainingSettings

BYTES_OF_A_TOKEN = 130
"""What a generated token takes in a file of trees: measured on the built-in task; longer steps take less."""

BYTES_OF_A_NUMBER = {"float32": 4, "bfloat16": 2}

GENERATION_SHARE = 0.05
READING_SHARE = 0.35
"""The share of a GPU's peak that generation reaches, and that reading and training reach: assumptions."""

PEAK = 1e15
"""Operations a second of one GPU in bfloat16, as the makers of H100 and H200 give it."""

TRAINED, READ = 8, 2
"""Operations a weight and a token: in training with checkpointing (two forward passes and a backward pass,
which takes twice as many), and in one forward pass."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of problems; None where neither the data set nor a limit in the recipe says it."""

    train: int | None
    validation: int | None
    test: int | None


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers of weights of the policy and of the value model; None where nobody knows."""

    policy: int | None
    value: int | None


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """A phase as it is going to be, with upper bounds.

    ``generated`` and ``valued`` count tokens of all its searches together; ``samples``, ``updates`` and
    ``trained`` (tokens) are those of a training. ``dtype`` is the one of its checkpoint; None: an adapter,
    which is small. ``done``: the run has done it already.
    """

    name: str
    kind: str
    searches: int | None = None
    generated: int | None = None
    valued: int | None = None
    samples: int | None = None
    updates: int | None = None
    trained: int | None = None
    dtype: str | None = None
    hours: float | None = None
    bytes: int | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums over phases that are not done; ``unknown`` names those of which something is not known."""

    generated: int
    valued: int
    trained: int
    hours: float | None
    bytes: int
    unknown: tuple[str, ...]


def adapted(*trainings: TrainingSettings) -> bool:
    """Whether any of the trainings trains an adapter alone."""
    return any(getattr(training, "lora", None) is not None for training in trainings)


def totals(phases: Sequence[PlannedPhase]) -> Totals:
    """What is left to do."""
    left = [phase for phase in phases if not phase.done]
    hours = [phase.hours for phase in left if phase.hours is not None]
    return Totals(
        generated=sum(phase.generated or 0 for phase in left),
        valued=sum(phase.valued or 0 for phase in left),
        trained=sum(phase.trained or 0 for phase in left),
        hours=sum(hours) if hours else None,
        bytes=sum(phase.bytes or 0 for phase in left),
        unknown=tuple(phase.name for phase in left if _is_unknown(phase)),
    )


def _is_unknown(phase: PlannedPhase) -> bool:
    if phase.kind == "train":
        return phase.trained is None
    return phase.generated is None and (phase.kind != "label" or phase.name.endswith(".judge"))


def priced(phase: PlannedPhase, sizes: Sizes) -> PlannedPhase:
    """The phase with its hours on one GPU, and the bytes that it writes."""
    size = sizes.value if phase.name.endswith("-value") else sizes.policy
    written = _written(phase, size)
    if size is None or _is_unknown(phase) or (phase.kind == "label" and not phase.generated):
        return replace(phase, bytes=written)
    generating = (phase.generated or 0) * READ * size / (GENERATION_SHARE * PEAK)
    reading = (phase.valued or 0) * READ * (sizes.value or size) / (READING_SHARE * PEAK)
    training = (phase.trained or 0) * TRAINED * size / (READING_SHARE * PEAK)
    return replace(phase, bytes=written, hours=(generating + reading + training) / 3600)


def _written(phase: PlannedPhase, size: int | None) -> int | None:
    """The bytes of the trees or of the checkpoint of a phase."""
    if phase.kind == "label":
        return None
    if phase.kind == "train":
        return None if size is None or phase.dtype is None else size * BYTES_OF_A_NUMBER[phase.dtype]
    return None if phase.generated is None else phase.generated * BYTES_OF_A_TOKEN
