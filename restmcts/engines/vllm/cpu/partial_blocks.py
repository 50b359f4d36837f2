"""Blocks of vLLM's cache that are kept after their request, so that others start with a copy of them.

vLLM reuses keys and values by full blocks. Text that begins where another one stopped computes those of the
last block again, half a block on average, which is much beside a step of 30 tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MOST: Final = 0.25
"""Share of all blocks that may be kept."""

FREE: Final = 0.1
"""Share of all blocks that has to stay free for those who need new ones."""

Place = tuple[Hashable, tuple[int, ...]]
"""Where a block belongs: the hash of the full blocks before it, None at the beginning of a text, and its
tokens."""


@dataclass(slots=True)
class Kept:
    """A block of vLLM's, and the places under which it is found."""

    block: Any
    places: list[Place] = field(default_factory=list)


class PartialBlocks:
    """Keeps blocks that are filled in part, the least recently used ones not for long."""

    def __init__(self, pool: Any) -> None:
        """``pool``: the ``BlockPool`` of an engine."""
        self._pool = pool
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._found: dict[Place, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, block: Any, before: Hashable, tokens: Sequence[int]) -> None:
        """Keep a block that begins with the keys and values of these tokens; one is enough for each place."""
        place = before, tuple(tokens)
        if place in self._found:
            self._kept.move_to_end(self._found[place].block.block_id)
            return
        kept = self._kept.get(block.block_id)
        if kept is None:
            self._pool.touch([block])
            kept = self._kept[block.block_id] = Kept(block)
        self._kept.move_to_end(block.block_id)
        kept.places.append(place)
        self._found[place] = kept

    def knows(self, before: Hashable, tokens: Sequence[int]) -> bool:
        """Is there a block for exactly these tokens?"""
        return (before, tuple(tokens)) in self._found

    def find(self, before: Hashable, tokens: Sequence[int]) -> tuple[Any, int]:
        """The block that begins with most of these tokens, and with how many; None and 0 without one."""
        for length in range(len(tokens), 0, -1):
            kept = self._found.get((before, tuple(tokens[:length])))
            if kept is not None:
                self._kept.move_to_end(kept.block.block_id)
                return kept.block, length
        return None, 0

    def make_room(self) -> None:
        """Let the least recently used blocks go where too many are kept or too few are free."""
        most, free = (int(self._pool.num_gpu_blocks * share) for share in (MOST, FREE))
        while self._kept and (len(self._kept) > most or self._pool.get_num_free_blocks() < free):
            self._let_go()

    def clear(self) -> None:
        """Let all blocks go."""
        while self._kept:
            self._let_go()

    def _let_go(self) -> None:
        _, kept = self._kept.popitem(last=False)
        for place in kept.places:
            del self._found[place]
        self._pool.free_blocks([kept.block])
