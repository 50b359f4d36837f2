"""Keeping the garbage collector from showing as a stutter while a search is replayed.

A large search is some hundred thousand objects that all stay. With the settings that Python starts with,
drawing frames makes the collector walk all of them every few dozen steps, for longer than a frame.
"""

from __future__ import annotations

import gc

_ALLOCATIONS = 5_000
_before: list[tuple[int, int, int]] = []


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
