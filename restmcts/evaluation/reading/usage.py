"""What answers cost: means over orders or problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from statistics import fmean

from store.events import Cost

ORDERS = 50
"""Orders of the traces of a sampling method that are averaged, unless a recipe says otherwise."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The fields of a :class:`~store.events.Cost` as means, and wall time.

    ``seconds`` is that of whole searches; None where one was cut, since a stored search does not know when an
    event happened.
    """

    policy: float = 0.0
    critic: float = 0.0
    prompt: float = 0.0
    value: float = 0.0
    calls: float = 0.0
    seconds: float | None = None

    @property
    def generated(self) -> float:
        """Everything that a language model wrote."""
        return self.policy + self.critic


@dataclass(frozen=True, slots=True)
class OutcomeAt:
    """What a problem is worth at ``budget`` (None: no limit).

    ``share``: 1 for a right answer, 0 for a wrong one or none; between them where it is a mean over orders of
    traces. None: the grader reached no verdict.
    """

    budget: float | None
    share: float | None
    usage: Usage


def usage_of(cost: Cost, seconds: float | None = None) -> Usage:
    """The usage of one search."""
    return Usage(cost.policy, cost.critic, cost.prompt, cost.value, cost.calls, seconds)


def mean_usage(usages: Sequence[Usage]) -> Usage:
    """The means over searches; nothing where there are none."""
    if not usages:
        return Usage()
    *columns, seconds = zip(*map(astuple, usages), strict=True)
    known = [each for each in seconds if each is not None]
    whole = fmean(known) if len(known) == len(usages) else None
    return replace(Usage(*map(fmean, columns)), seconds=whole)
