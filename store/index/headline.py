"""The one figure that says whether a run got better: accuracy on held-out problems, first and last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.records import CEILING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.records import Evaluation

GREEDY = "greedy"
"""The name of the rows in which the policy answers alone, without sampling."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The accuracy of one method at one budget after the first and after the last iteration.

    Both are the same row where it was measured once.
    """

    first: Evaluation
    last: Evaluation

    @property
    def method(self) -> str:
        """The method, with its budget in tokens if it has one."""
        budget = self.last.budget
        return self.last.method if budget is None else f"{self.last.method} {budget}"

    @property
    def text(self) -> str:
        """Accuracies in per cent, with the 95 % interval of the last: ``35.5% → 78.5% (72.3 to 83.6)``."""
        last = self.last
        shown = f"{last.accuracy:.1%} ({100 * last.low:.1f} to {100 * last.high:.1f})"
        return shown if self.first is last else f"{self.first.accuracy:.1%} → {shown}"


def headline(evaluations: Sequence[Evaluation]) -> Headline | None:
    """The headline of a run from its evaluations, in the order in which they were made; None without any.

    It is that of greedy answers. Where there is none, it is that of the method and budget which was measured
    most often, of several the one that was measured last. What only the oracle could answer does not count.
    """
    evaluations = [row for row in evaluations if row.rule != CEILING]
    counts = Counter(map(_what, evaluations))
    if not counts:
        return None
    last = {_what(row): place for place, row in enumerate(evaluations)}
    often = max(counts, key=lambda what: (counts[what], last[what]))
    chosen = (GREEDY, None) if (GREEDY, None) in counts else often
    rows = [row for row in evaluations if _what(row) == chosen]
    return Headline(rows[0], rows[-1])


def _what(row: Evaluation) -> tuple[str, int | None]:
    return row.method, row.budget
