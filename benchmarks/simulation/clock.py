"""An event loop whose time is that of a process with a core to itself, whatever else the machine does."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SkippingSelector(selectors.DefaultSelector):
    """Never waits for a timer: the time until it is counted as passed."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        self.skipped += max(0.0, timeout)
        return super().select(0)


class OwnCore:
    """The time of a process that has one core to itself: its CPU time, and the time that it would wait.

    Threads of the process count one after the other.

    Args:
        spared: the CPU seconds of this process so far that are not to count.
    """

    def __init__(self, spared: Callable[[], float]) -> None:
        self._spared = spared
        self._selector = SkippingSelector()

    def now(self) -> float:
        """The time in seconds."""
        return self._selector.skipped + time.process_time() - self._spared()

    @contextmanager
    def rules(self) -> Iterator[None]:
        """Let ``asyncio.run`` go by this time, once."""
        core, before = self, asyncio.get_event_loop_policy()

        class Loop(asyncio.SelectorEventLoop):
            def time(self) -> float:
                return core.now()

        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self) -> asyncio.AbstractEventLoop:
                return Loop(core._selector)

        asyncio.set_event_loop_policy(Policy())
        try:
            yield
        finally:
            asyncio.set_event_loop_policy(before)
