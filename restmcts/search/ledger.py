"""What a search has taken, and how much it may still take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


class BudgetSpentError(Exception):
    """What is left of a token budget may not pay for what comes next: the search ends here."""


MARGIN: Final = 1.25
"""Samples may be so much longer than their mean and still fit a budget that they share."""


@dataclass(slots=True)
class Lengths:
    """How long the samples of a search have been: ``tokens`` in all ``samples``."""

    samples: int = 0
    tokens: int = 0

    def add(self, tokens: int) -> None:
        """Count a sample."""
        self.samples += 1
        self.tokens += tokens

    def likely(self, longest: int) -> float:
        """What to set aside for the next sample: ``longest`` tokens while nothing is known."""
        if not self.samples:
            return longest
        return min(longest, max(1.0, MARGIN * self.tokens / self.samples))


@dataclass(slots=True)
class Ledger:
    """The token budget of one search: a hard limit on generated tokens, the same for every method.

    ``budget`` None is no limit. ``spent`` counts all tokens that a language model generated.
    """

    budget: int | None = None
    spent: int = 0

    @property
    def left(self) -> int | None:
        return None if self.budget is None else max(0, self.budget - self.spent)

    @property
    def exhausted(self) -> bool:
        return self.left == 0

    def reserve(self, tokens: int) -> None:
        """Make sure that ``tokens`` could be spent at once.

        Raises:
            BudgetSpentError: they could not.
        """
        if self.left is not None and self.left < tokens:
            raise BudgetSpentError

    def grants(self, samples: int, lengths: Lengths, longest: int) -> Iterator[int]:
        """Split a request into parts, each as many samples as the rest of the budget is likely to pay for.

        Near the end that is one at a time. The caller adds to ``spent`` and ``lengths`` between the parts,
        and sees to it that no part takes more than is left.
        """
        while samples > 0 and not self.exhausted:
            left = self.left
            part = samples
            if left is not None:
                part = min(samples, max(1, int(left / lengths.likely(longest))))
            yield part
            samples -= part
