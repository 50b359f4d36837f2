"""What a search has taken, and how much it may still take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil
from typing import Final, Literal


class BudgetSpentError(Exception):
    """What is left of a token budget may not pay for what comes next: the search ends here."""


MARGIN: Final = 1.25
"""Safety factor on the mean length of samples."""
JOB_MARGIN: Final = 1.15
"""Safety factor on the mean number of tokens that a job takes."""

Kind = Literal["step", "end", "job"]
"""What has a length in tokens: a sampled step, a trace sampled to its end, a job."""


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

    Attributes:
        budget: the most tokens that may be generated; None is no limit.
        spent: all tokens that a language model generated.
        set_aside: the tokens that are kept for what runs concurrently.
        lengths: how long things of each kind have been.
    """

    budget: int | None = None
    spent: int = 0
    set_aside: int = 0
    lengths: dict[Kind, Lengths] = field(default_factory=dict)
    _known: dict[Kind, Lengths] = field(default_factory=dict)

    @property
    def left(self) -> int | None:
        return None if self.budget is None else max(0, self.budget - self.spent - self.set_aside)

    @property
    def exhausted(self) -> bool:
        return self.left == 0

    def count(self, kind: Kind, tokens: int) -> None:
        """Remember how long something was."""
        self.lengths[kind] = self.lengths.get(kind, Lengths()) + Lengths(1, tokens)

    def likely(self, kind: Kind, longest: int) -> float:
        """What to set aside for the next of a kind: ``longest`` tokens while nothing is known."""
        return self.lengths.get(kind, Lengths()).likely(longest)

    def job_tokens(self, samples: int, longest: int, prompted: bool) -> int:
        """How many tokens a job probably takes that samples about ``samples`` steps of ``longest`` tokens.

        That is the mean of the jobs so far with a safety factor. While no job has joined, it follows from the
        length of a step; where language models judge (``prompted``), it is then all that is left, as nothing
        is known of what they take.
        """
        step, jobs = self.likely("step", longest), self.lengths.get("job")
        if jobs is not None:
            return ceil(max(step, JOB_MARGIN * jobs.tokens / jobs.number))
        return max(1, self.left or 0) if prompted else ceil(samples * step)

    def lend_to_job(self, expected: int, alone: bool) -> Ledger | None:
        """The ledger of a job that probably takes ``expected`` tokens; None where less is left.

        A job that is ``alone`` gets what is left. So does one after which too little is left for another.

        Raises:
            BudgetSpentError: the job is alone, and nothing is left.
        """
        left = self.left
        if left is None:
            return self.lend(None)
        if left < expected and not alone:
            return None
        if left == 0:
            raise BudgetSpentError
        return self.lend(left if left < 2 * expected else expected)

    def reserve(self, tokens: int) -> None:
        """Make sure that ``tokens`` could be spent at once.

        Raises:
            BudgetSpentError: they could not.
        """
        if self.left is not None and self.left < tokens:
            raise BudgetSpentError

    def grants(
        self, samples: int, kind: Kind, longest: int, most: Callable[[], int | None] = lambda: None
    ) -> Iterator[tuple[int, int | None]]:
        """Split a request into parts, each as many samples as the rest of the budget is likely to pay for.

        Near the end that is one at a time. The caller counts what was drawn between the parts, and sees to
        it that no part takes more than it may.

        Args:
            samples: how many samples are asked for.
            kind: what they are.
            longest: the longest of them, in tokens.
            most: says how many tokens other limits allow now; None: they allow any number.

        Yields:
            The samples of a part, and the most tokens that they may take together; None: any number.
        """
        while samples > 0:
            left = min((tokens for tokens in (self.left, most()) if tokens is not None), default=None)
            if left == 0:
                return
            part = samples
            if left is not None:
                part = min(samples, max(1, int(left / self.likely(kind, longest))))
            yield part, left
            samples -= part

    def shares(self, numbers: Sequence[int], kind: Kind, longest: int) -> list[int | None]:
        """The shares of the first of several requests, of ``numbers`` samples, that run concurrently.

        These are as many requests as the rest of the budget is likely to pay for, at least one. They divide
        all that is left in proportion to their samples.
        """
        left = self.left
        if left is None:
            return [None] * len(numbers)
        affordable = left / self.likely(kind, longest)
        totals = [total for total in accumulate(numbers) if total <= affordable] or [numbers[0]]
        return [left * number // totals[-1] for number in numbers[: len(totals)]]

    def lend(self, share: int | None) -> Ledger:
        """Set ``share`` aside; return the ledger of what runs concurrently, whose budget it is."""
        self.set_aside += share or 0
        return Ledger(share, lengths=dict(self.lengths), _known=dict(self.lengths))

    def take_back(self, lent: Ledger) -> None:
        """Account for what ran concurrently, and have the rest of its share again."""
        self.set_aside -= lent.budget or 0
        self.spent += lent.spent
        for kind, lengths in lent.lengths.items():
            more = lengths - lent._known.get(kind, Lengths())
            self.lengths[kind] = self.lengths.get(kind, Lengths()) + more
