"""What a search method may ask for.

A method is a generator: it yields one of these and is sent the reply. The driver answers them from an
engine, tests from a dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass

from restmcts.problems.verdicts import Verdict
from store.trace import FREE, Cost, Step


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
class Proposals:
    """Sample next steps after several partial solutions at once.

    Reply: a list with the reply to each of ``requests``, or None where the token budget ran out before it. It
    is never None for all of them: the search ends instead.
    """

    requests: tuple[Propose, ...]


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
    """Is this partial solution a finished one? Reply: :class:`~restmcts.problems.verdicts.Verdict`.

    ``declared``: it counts as finished whatever the critic thinks; only its answer is looked for.
    """

    prefix: Prefix
    declared: bool = False


__all__ = ["Complete", "Critique", "Prefix", "Proposals", "Propose", "Request", "Trace", "Value", "Verdict"]

Request = Propose | Proposals | Complete | Value | Critique
