"""A problem with its oracle answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    ``id`` is unique in its data set. ``answer`` is the oracle answer as text, None when unknown.
    ``solution`` is a worked solution, one step a line, where the data set has one. ``tolerance`` is the
    relative tolerance for numeric answers, None for exact comparison. ``fields`` keeps everything else.
    ``examples`` are problems with their solutions that the policy is shown before this problem.
    """

    id: str
    text: str
    answer: str | None = None
    solution: str | None = None
    tolerance: float | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    # Left out of the text of a problem without examples, which names of stored evaluations are made from.
    examples: tuple[tuple[str, str], ...] = field(default=(), repr=False)
