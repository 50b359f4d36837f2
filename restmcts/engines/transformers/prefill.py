"""Prompts on their way into the cache, in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from restmcts.engines.transformers.attention import Piece
from restmcts.engines.transformers.kv_cache import PrefixCache, Segment, Slots

FORWARD_TOKENS: Final = 4096
"""The most tokens in one forward pass, which bounds the memory that it takes."""

Owner = TypeVar("Owner")


class Prefill(Generic[Owner]):
    """A queue of prompts whose slots are given and whose tokens wait to be computed.

    A prompt joins the prefix cache at once, so that the next one shares its tokens before they are
    computed. That is sound because the order is kept: what a prompt builds on is computed in the same
    forward pass or in an earlier one, and within a layer all keys are stored before any is read.
    """

    def __init__(self, cache: PrefixCache) -> None:
        self._cache = cache
        self._queue: deque[tuple[Owner, Piece]] = deque()
        self.prompt_tokens = 0
        self.cached_tokens = 0

    def __len__(self) -> int:
        return len(self._queue)

    def clear(self) -> None:
        """Forget all prompts that wait."""
        self._queue.clear()

    def add(self, prompt: tuple[int, ...], make: Callable[[Segment, Slots], Owner]) -> None:
        """Lock ``prompt`` in the cache and queue what is new in it, at least its last token."""
        segment, slots, found = self._cache.insert(prompt)
        start = min(found, len(prompt) - 1)
        self.prompt_tokens += len(prompt)
        self.cached_tokens += start
        self._queue.append((make(segment, slots), Piece(prompt[start:], start, slots)))

    def take(self, tokens: int) -> tuple[list[Piece], list[Owner]]:
        """The next pieces, up to ``tokens`` tokens in all, and the owners of those that are complete."""
        pieces: list[Piece] = []
        done: list[Owner] = []
        while self._queue and tokens > 0:
            owner, piece = self._queue[0]
            if len(piece.tokens) > tokens:
                pieces.append(Piece(piece.tokens[:tokens], piece.start, piece.slots, last=False))
                rest = Piece(piece.tokens[tokens:], piece.start + tokens, piece.slots)
                self._queue[0] = (owner, rest)
                break
            self._queue.popleft()
            pieces.append(piece)
            done.append(owner)
            tokens -= len(piece.tokens)
        return pieces, done
