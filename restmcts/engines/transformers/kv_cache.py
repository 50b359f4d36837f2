"""Which tokens have their keys and values in memory, and where: a tree of token prefixes.

Every token that a model has read has a slot, a row in the key and value tensors of each layer. The
prefix cache knows the slots of whole prefixes. A request locks its prefix while it runs; what nobody
locks is given up, the longest unused first, when slots run out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from restmcts.errors import EngineError

Slots = NDArray[np.int64]
SCRATCH = 0
"""The slot of padding tokens; it holds nothing that anyone reads."""


class Segment:
    """Consecutive tokens with their slots, below the prefix that comes before them."""

    __slots__ = ("children", "locks", "parent", "slots", "tokens", "used")

    def __init__(self, parent: Segment | None, tokens: tuple[int, ...], slots: Slots) -> None:
        self.parent = parent
        self.tokens = tokens
        self.slots = slots
        self.children: dict[int, Segment] = {}
        self.locks = 0
        self.used = 0


class PrefixCache:
    """Slots for ``capacity`` tokens, and the tree of prefixes that are in them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._root = Segment(None, (), np.empty(0, np.int64))
        self._free: Slots = np.arange(self.capacity, 0, -1, dtype=np.int64)
        self.free = self.capacity
        self._held = 0
        self._locked = 0
        self._clock = 0

    @property
    def available(self) -> int:
        """Slots that are free, or would be after giving up what nobody locks."""
        return self.free + self._held - self._locked

    def insert(self, tokens: tuple[int, ...]) -> tuple[Segment, Slots, int]:
        """Lock the prefix ``tokens`` and give slots to what is new in it.

        Returns:
            The segment that ends the prefix, the slots of all its tokens, and how many of them were
            there already.
        """
        segment, found = self._match(self._root, tokens)
        self._lock(segment)
        if found < len(tokens):
            try:
                slots = self.allocate(len(tokens) - found)
            except EngineError:
                self.unlock(segment)
                raise
            new = self._attach(segment, tokens[found:], slots)
            new.locks = 1
            self._locked += len(new.tokens)
            segment = new
        path = [part.slots for part in self._path(segment)]
        return segment, np.concatenate(path[::-1]), found

    def adopt(self, segment: Segment, tokens: Sequence[int], slots: Slots) -> None:
        """Put computed ``tokens`` below a locked ``segment``; slots of those already there go free."""
        tokens = tuple(tokens)
        end, found = self._match(segment, tokens)
        self.release(slots[:found])
        if found < len(tokens):
            self._attach(end, tokens[found:], slots[found:].copy())

    def unlock(self, segment: Segment) -> None:
        """End one lock of the prefix that ends with ``segment``."""
        for part in self._path(segment):
            part.locks -= 1
            if part.locks == 0:
                self._locked -= len(part.tokens)

    def allocate(self, count: int) -> Slots:
        """Take ``count`` slots.

        Raises:
            EngineError: more slots are in use than that leaves.
        """
        if self.free < count:
            self._evict(count)
        self.free -= count
        return self._free[self.free : self.free + count].copy()

    def release(self, slots: Slots) -> None:
        """Give slots back that never joined the tree."""
        self._free[self.free : self.free + len(slots)] = slots
        self.free += len(slots)

    def _path(self, segment: Segment) -> Iterator[Segment]:
        part: Segment | None = segment
        while part is not None and part.parent is not None:
            yield part
            part = part.parent

    def _lock(self, segment: Segment) -> None:
        for part in self._path(segment):
            if part.locks == 0:
                self._locked += len(part.tokens)
            part.locks += 1

    def _attach(self, parent: Segment, tokens: tuple[int, ...], slots: Slots) -> Segment:
        segment = Segment(parent, tokens, slots)
        segment.used = self._clock
        parent.children[tokens[0]] = segment
        self._held += len(tokens)
        return segment

    def _match(self, start: Segment, tokens: tuple[int, ...]) -> tuple[Segment, int]:
        """The segment below ``start`` that ends the longest known prefix of ``tokens``, and its length."""
        self._clock += 1
        segment, found = start, 0
        while found < len(tokens):
            child = segment.children.get(tokens[found])
            if child is None:
                break
            shared = _shared(child.tokens, tokens, found)
            if shared < len(child.tokens):
                child = self._split(child, shared)
            child.used = self._clock
            segment, found = child, found + shared
        return segment, found

    def _split(self, segment: Segment, length: int) -> Segment:
        """Cut a segment in two. The old object stays the lower part, which holders point to."""
        parent = segment.parent
        assert parent is not None
        upper = Segment(parent, segment.tokens[:length], segment.slots[:length])
        upper.locks, upper.used = segment.locks, segment.used
        parent.children[upper.tokens[0]] = upper
        segment.parent = upper
        segment.tokens, segment.slots = segment.tokens[length:], segment.slots[length:]
        upper.children[segment.tokens[0]] = segment
        return upper

    def _evict(self, count: int) -> None:
        if self.available < count:
            raise EngineError(
                f"the key-value cache is full: {count} tokens wanted, {self.available} of "
                f"{self.capacity} available; raise cache_tokens"
            )
        # More than is needed, so that the walk over the tree is rare.
        wanted = min(self.available, max(count, self.capacity // 8))
        leaves = [(leaf.used, id(leaf), leaf) for leaf in self._leaves()]
        heapq.heapify(leaves)
        while self.free < wanted:
            leaf = heapq.heappop(leaves)[2]
            parent = leaf.parent
            assert parent is not None
            del parent.children[leaf.tokens[0]]
            self._held -= len(leaf.tokens)
            self.release(leaf.slots)
            if parent.parent is not None and not parent.children and parent.locks == 0:
                heapq.heappush(leaves, (parent.used, id(parent), parent))

    def _leaves(self) -> Iterator[Segment]:
        waiting = list(self._root.children.values())
        while waiting:
            segment = waiting.pop()
            waiting.extend(segment.children.values())
            if not segment.children and segment.locks == 0:
                yield segment


def _shared(segment: tuple[int, ...], tokens: tuple[int, ...], start: int) -> int:
    """How many tokens of ``segment`` are those of ``tokens`` from ``start`` on."""
    if tokens[start : start + len(segment)] == segment:
        return len(segment)
    count = 0
    for mine, theirs in zip(segment, tokens[start:], strict=False):
        if mine != theirs:
            break
        count += 1
    return count
