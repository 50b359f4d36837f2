"""Shards: the searches of a run shared out among runs of their own, which need nothing of each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from store.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

PHASE = "search"
"""The phase whose searches are shared out."""

KEY = "shard"
"""The key of ``run.toml`` that says which shard a run is."""

_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """Every ``count``-th search, beginning with the one at place ``number``; both count from 1.

    Searches keep the numbers that they have in the whole.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that ``NUMBER/COUNT`` names, such as ``3/16``.

        Raises:
            InputError: it names none.
        """
        found = _FORM.fullmatch(text)
        shard = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.count:
            raise InputError(
                f"shard {text!r}: write NUMBER/COUNT, such as 3/16, with a number from 1 to the count"
            )
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def ending(self) -> str:
        """How the name of the run ends that searches this shard."""
        return f".{self.number}-of-{self.count}"

    @property
    def first(self) -> int:
        """The number of its first search, from 0."""
        return self.number - 1

    def of(self, whole: Sequence[T]) -> list[T]:
        """What this shard has of a sequence."""
        return list(whole[self.first :: self.count])

    def has(self, number: int) -> bool:
        """Whether the search of this number, from 0, is in this shard."""
        return number % self.count == self.first
