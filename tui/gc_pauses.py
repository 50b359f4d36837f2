"""Keeping the garbage collector from showing as a stutter while a search is replayed.

A large search is some hundred thousand objects that all stay. With the settings that Python starts with,
drawing frames makes the collector walk all of them every few dozen steps, for longer than a frame.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALLOCATIONS = 5_000
_before: list[tuple[int, int, int]] = []
_lock = threading.Lock()
_loading = 0


@contextmanager
def loading() -> Iterator[None]:
    """Collect nothing while a large search is read: what is made then stays, and is left alone from then on.

    Threads may read several searches at a time.
    """
    global _loading
    with _lock:
        _loading += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _loading -= 1
            if not _loading:
                gc.freeze()
                gc.enable()


def collect_rarely() -> None:
    """Leave alone what is loaded now, and collect what comes less often."""
    _before.append(gc.get_threshold())
    gc.freeze()
    gc.set_threshold(max(_ALLOCATIONS, _before[0][0]), *_before[0][1:])


def collect_as_before() -> None:
    """Undo one :func:`collect_rarely`; all is as it was once every one is undone."""
    gc.set_threshold(*_before.pop())
    if not _before:
        gc.unfreeze()
