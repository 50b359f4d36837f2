"""What a search method may ask for.

A method is a generator: it yields a request and is sent the reply. The driver answers requests from engines,
tests answer them from dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from typing import Any

from restmcts.grading.verdicts import Verdict
from restmcts.search.recorder import Recorder
from store.events import FREE, Cost, Step
from store.tree import Node


@dataclass(frozen=True, slots=True)
class Prefix:
    """A partial solution: the node ``node`` and steps after it that are not in the tree."""

    node: int
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Propose:
    """Sample ``n`` next steps.

    Reply: ``list[Step | None]`` in the order of sampling, None for a sample that is no step (empty, or a
    repeat of an earlier step). Fewer than ``n`` when the token budget ran out.

    Attributes:
        prefix: the partial solution that the steps follow.
        n: the number of samples.
        advice: what a critic wants the next step to heed.
        temperature: None for that of the sampling settings; 0 is greedy decoding.
        top_p: None for that of the sampling settings.
    """

    prefix: Prefix
    n: int
    advice: str | None = None
    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class ProposeEach:
    """Sample next steps for several partial solutions at the same time.

    Reply: a list with the reply to each of ``proposals``, in their order. Where the rest of the token budget
    does not pay for all of them, it pays for the first ones.
    """

    proposals: tuple[Propose, ...]


@dataclass(frozen=True, slots=True)
class Complete:
    """Sample ``n`` whole traces from here to their end.

    Reply: ``list[Trace]`` in the order of sampling; fewer than ``n`` when the budget ran out. ``temperature``
    and ``top_p`` are as in :class:`Propose`.
    """

    prefix: Prefix
    n: int
    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A sampled trace; no steps when the policy ended its text at once.

    ``cost`` is what it took alone. It belongs on the event by which the trace joins the tree, so that a
    stored search can be cut between any two traces.
    """

    steps: tuple[Step, ...]
    cost: Cost = FREE


@dataclass(frozen=True, slots=True)
class Value:
    """Score partial solutions. Reply: ``list[float]`` in [0, 1], one a prefix."""

    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Critique:
    """Is this partial solution a finished one? Reply: :class:`~restmcts.grading.verdicts.Verdict`.

    ``declared``: it counts as finished whatever the critic thinks; only its answer is looked for.
    """

    prefix: Prefix
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Start a job that runs concurrently with this search.

    The job has a recorder of its own, whose tree holds the nodes from the root down to ``node``, seeds of its
    own, and a share of the token budget that is set aside for it. Nothing that runs at the same time changes
    its result. Reply: True; False where the rest of the budget probably does not pay for it, so that running
    jobs have to join first. Where no job runs, a job is started with as much as is left.

    Attributes:
        node: the number of the node that the job starts from.
        run: makes the job from its recorder, its copy of ``node``, and its source of randomness. The job
            returns the number of a node.
        samples: how many steps the job is expected to sample. The share follows from it until a job has
            joined; after that it follows from what jobs have taken.
    """

    node: int
    run: Callable[[Recorder, Node, Random], Generator[Request, Any, int]]
    samples: int


@dataclass(frozen=True, slots=True)
class Join:
    """Wait for the oldest running job, and let its events join this search.

    Jobs join in the order in which they were started, so that equal seeds give equal searches, however fast
    an engine is. Reply: the number in this search of the node that the job returned; None where the share of
    the token budget ended the job.
    """


@dataclass(frozen=True, slots=True)
class AskBudget:
    """How much is left to generate? Reply: :class:`BudgetLeft`."""


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """What a search may still generate.

    Attributes:
        tokens: what is left of the token budget; None without one.
        trace: the longest whole solution, in tokens.
    """

    tokens: int | None
    trace: int


__all__ = [
    "AskBudget", "BudgetLeft", "Complete", "Critique", "Join", "Prefix", "Propose", "ProposeEach",
    "Request", "Start", "Trace", "Value", "Verdict",
]  # fmt: skip

Request = AskBudget | Propose | ProposeEach | Complete | Value | Critique | Start | Join
