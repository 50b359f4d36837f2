"""What a search method may ask for.

A method is a generator: it yields one of these and is sent the reply. The driver answers them from an
engine, tests from a dictionary.
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
    """

    prefix: Prefix
    n: int
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """Sample ``n`` whole traces from here to their end.

    Reply: ``list[Trace]`` in the order of sampling; fewer than ``n`` when the budget ran out.
    """

    prefix: Prefix
    n: int


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
class Begin:
    """Begin moves that go on by themselves, beside this search and beside others that were begun.

    They have a recorder of their own, whose tree is the way down to ``node`` and all below it, and a source
    of randomness and a share of the token budget of their own: nothing that runs beside them changes them.
    Reply: a number for them; None where what is left of the budget is unlikely to pay for them, so that
    others have to be followed first. When none are under way, they are begun with what is left.

    Attributes:
        run: makes the moves from their recorder, its node for ``node``, and their source of randomness. They
            return numbers of nodes.
        samples: how many steps they are likely to sample until they first reach something, or else to their
            end; None where nobody knows.
        beside: how many moves, these included, may still be begun before any of them end.
    """

    node: int
    run: Callable[[Recorder, Node, Random], Generator[Request, Any, list[int]]]
    samples: int | None
    beside: int


@dataclass(frozen=True, slots=True)
class Reached:
    """How far moves are that were begun: who follows them need not wait for their end.

    Where their share of the budget is unlikely to pay for the rest, they wait until they are followed, and
    then get more of it if there is any. Reply: None.

    ``samples``: how many steps they may still sample.
    """

    nodes: list[int]
    samples: int


@dataclass(frozen=True, slots=True)
class Follow:
    """Let what some moves did join this search, up to where they next reached something, or to their end.

    These are the ones that come there first if every token takes the same time, so that equal seeds give
    equal searches however fast an engine is. Reply: :class:`Followed`.
    """


@dataclass(frozen=True, slots=True)
class Followed:
    """How far moves came.

    ``moves`` says which, by the number from :class:`Begin`. ``nodes`` is what they reached or returned, as
    this search numbers it; None where their share of the token budget ended them. ``ended``: there is nothing
    more to follow.
    """

    moves: int
    nodes: list[int] | None
    ended: bool


__all__ = [
    "Begin", "Complete", "Critique", "Follow", "Followed", "Prefix", "Propose", "Reached", "Request", "Trace",
    "Value", "Verdict",
]  # fmt: skip

Request = Propose | Complete | Value | Critique | Begin | Reached | Follow
