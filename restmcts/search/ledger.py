"""What a search has taken, and how much it may still take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class BudgetSpentError(Exception):
    """What is left of a token budget may not pay for what comes next: the search ends here."""


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

    def grants(self, samples: int, longest: int) -> Iterator[tuple[int, int]]:
        """Split a request into parts that cannot overspend; yields (samples, most tokens of each).

        As many samples at once as the budget pays for at their longest; near the end one at a time,
        the last one capped by what is left. The caller adds to ``spent`` between the parts.
        """
        while samples > 0 and not self.exhausted:
            left = self.left
            if left is None:
                yield samples, longest
                return
            part = min(samples, max(1, left // longest))
            yield part, min(longest, left)
            samples -= part
