"""What a search has taken, and how much it may still take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final, Literal


class BudgetSpentError(Exception):
    """What is left of a token budget may not pay for what comes next: the search ends here."""


MARGIN: Final = 1.25
"""Samples may be so much longer than their mean and still fit a budget that they share."""

Kind = Literal["step", "end", "moves"]
"""What has a length: a sampled step, a trace sampled to its end, moves that ran beside the search."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long things of one kind have been in a search: ``tokens`` in ``number`` of them."""

    number: int = 0
    tokens: int = 0

    def __add__(self, other: Lengths) -> Lengths:
        return Lengths(self.number + other.number, self.tokens + other.tokens)

    def __sub__(self, other: Lengths) -> Lengths:
        return Lengths(self.number - other.number, self.tokens - other.tokens)

    def likely(self, longest: int) -> float:
        """What to set aside for the next one: ``longest`` tokens while nothing is known."""
        if not self.number:
            return longest
        return min(longest, max(1.0, MARGIN * self.tokens / self.number))


@dataclass(slots=True)
class Ledger:
    """The token budget of one search: a hard limit on generated tokens, the same for every method.

    ``budget`` None is no limit. ``spent`` counts all tokens that a language model generated; ``lent`` is what
    moves that run beside the search may take.
    """

    budget: int | None = None
    spent: int = 0
    lent: int = 0
    lengths: dict[Kind, Lengths] = field(default_factory=dict)

    @property
    def left(self) -> int | None:
        return None if self.budget is None else max(0, self.budget - self.spent - self.lent)

    @property
    def exhausted(self) -> bool:
        return self.left == 0

    def count(self, kind: Kind, tokens: int) -> None:
        """Remember how long something was."""
        self.lengths[kind] = self.lengths.get(kind, Lengths()) + Lengths(1, tokens)

    def likely(self, kind: Kind, longest: int) -> float:
        """What to set aside for the next of a kind: ``longest`` tokens while nothing is known."""
        return self.lengths.get(kind, Lengths()).likely(longest)

    def enough(self, number: int, kind: Kind, longest: int) -> int:
        """What is very likely to be enough for ``number`` of a kind: one of them may be the longest."""
        return ceil((number - 1) * self.likely(kind, longest) + longest)

    def reserve(self, tokens: int) -> None:
        """Make sure that ``tokens`` could be spent at once.

        Raises:
            BudgetSpentError: they could not.
        """
        if self.left is not None and self.left < tokens:
            raise BudgetSpentError

    def grants(self, samples: int, kind: Kind, longest: int) -> Iterator[int]:
        """Split a request into parts, each as many samples as the rest of the budget is likely to pay for.

        Near the end that is one at a time. The caller counts what was drawn between the parts, and sees to
        it that no part takes more than is left.
        """
        while samples > 0 and not self.exhausted:
            left = self.left
            part = samples
            if left is not None:
                part = min(samples, max(1, int(left / self.likely(kind, longest))))
            yield part
            samples -= part

    def lend(self, share: int | None) -> Ledger:
        """The ledger of moves that run beside the search, with ``share`` of what is left as their budget."""
        self.lent += share or 0
        return Ledger(share, lengths=dict(self.lengths))

    def lend_more(self, ledger: Ledger, share: int) -> None:
        """Add to the budget of moves that run beside the search, as much of ``share`` as is left."""
        if ledger.budget is not None:
            more = min(share, self.left or 0)
            self.lent += more
            ledger.budget += more

    def copy(self) -> Ledger:
        """As it is now."""
        return replace(self, lengths=dict(self.lengths))

    def settle(self, before: Ledger, now: Ledger) -> None:
        """Account for moves that run beside the search, whose ledger was ``before`` and is ``now``."""
        self.spent += now.spent - before.spent
        self.lent += (now.left or 0) - (before.left or 0)
        for kind, lengths in now.lengths.items():
            more = lengths - before.lengths.get(kind, Lengths())
            self.lengths[kind] = self.lengths.get(kind, Lengths()) + more
