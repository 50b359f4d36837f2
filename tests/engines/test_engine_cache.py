"""The tree of cached prefixes against a plain dictionary of prefixes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from restmcts.engines.transformers.kv_cache import PrefixCache, Segment
from restmcts.errors import EngineError

CAPACITY = 40
PROMPTS = st.lists(st.integers(0, 2), min_size=1, max_size=12).map(tuple)


class CacheMachine(RuleBasedStateMachine):
    """``content`` is what was written to each slot: the whole prefix that its token ends."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = PrefixCache(CAPACITY)
        self.content: dict[int, tuple[int, ...]] = {}
        self.held: list[tuple[Segment, tuple[int, ...], tuple[int, ...]]] = []

    @rule(tokens=PROMPTS)
    def insert(self, tokens: tuple[int, ...]) -> None:
        try:
            segment, slots, found = self.cache.insert(tokens)
        except EngineError:
            return
        assert len(slots) == len(tokens)
        for end, slot in enumerate(slots.tolist(), start=1):
            if end > found:
                self.content[slot] = tokens[:end]
            assert self.content[slot] == tokens[:end]
        self.held.append((segment, tokens, tuple(slots.tolist())))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), extra=PROMPTS)
    def extend(self, data: st.DataObject, extra: tuple[int, ...]) -> None:
        segment, tokens, _ = data.draw(st.sampled_from(self.held))
        if self.cache.available < len(extra):
            return
        slots = self.cache.allocate(len(extra))
        for end, slot in enumerate(slots.tolist(), start=1):
            self.content[slot] = tokens + extra[:end]
        self.cache.adopt(segment, extra, slots)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def unlock(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.held) - 1))
        self.cache.unlock(self.held.pop(index)[0])

    @invariant()
    def locked_prefixes_stay_in_place(self) -> None:
        for _, tokens, slots in self.held:
            assert [self.content[slot] for slot in slots] == [tokens[: i + 1] for i in range(len(tokens))]

    @invariant()
    def every_slot_is_free_or_held_once(self) -> None:
        slots: list[int] = self.cache._free[: self.cache.free].tolist()
        waiting = [self.cache._root]
        locked = 0
        while waiting:
            segment = waiting.pop()
            slots += segment.slots.tolist()
            locked += len(segment.tokens) if segment.locks and segment.parent else 0
            waiting += segment.children.values()
        assert sorted(slots) == list(range(1, CAPACITY + 1))
        assert self.cache.available == CAPACITY - locked

    def teardown(self) -> None:
        for segment, _, _ in self.held:
            self.cache.unlock(segment)
        assert self.cache.available == CAPACITY


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_longest_unused_goes_first() -> None:
    cache = PrefixCache(16)
    for start in (0, 10, 20):
        cache.unlock(cache.insert((start, 1, 2, 3, 4))[0])
    cache.unlock(cache.insert((0, 1, 2, 3, 4))[0])
    cache.unlock(cache.insert((30, 1, 2))[0])
    kept = []
    for start in (0, 20, 30):
        segment, _, found = cache.insert((start,))
        cache.unlock(segment)
        kept.append(found)
    assert kept == [1, 1, 1]
    assert cache.insert((10, 1, 2, 3, 4))[2] == 0


def test_a_full_cache_says_so_and_stays_usable() -> None:
    cache = PrefixCache(4)
    held, slots, _ = cache.insert((1, 2, 3))
    with pytest.raises(EngineError, match="2 tokens wanted, 1 of 4 available"):
        cache.insert((1, 2, 3, 4, 5))
    assert cache.available == 1
    cache.unlock(held)
    again = cache.insert((1, 2, 3, 9))
    assert again[2] == 3
    assert np.array_equal(again[1][:3], slots)
