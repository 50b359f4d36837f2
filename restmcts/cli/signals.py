"""Signals that end the program do so as Ctrl-C does: what is finished is stored, and one line says so."""

from __future__ import annotations

import os
import signal
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)

_received: int | None = None


def end_as_by_interrupt() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, unless they are ignored, as `nohup` has it."""
    for number in ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_end_at_once)


def received() -> int | None:
    """The number of the signal that is ending the program, other than that of Ctrl-C."""
    return _received


def heed() -> None:
    """Raise what a signal has raised already, where that was lost: a destructor, for example, swallows it.

    Raises:
        KeyboardInterrupt: a signal came that is to end the program.
    """
    if _received is not None:
        raise KeyboardInterrupt


def exit_code() -> int:
    """128 and the number of the signal that has ended the program, as shells have it."""
    return 128 + (_received or signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received
    _received = number
    # An event loop has put its own handler there, which lets its tasks end in order.
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt


def _hold() -> None:
    """Let no signal come between a fork and the moment from which the child ends at once."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _end_at_once() -> None:
    """A forked child, such as a worker that is told to end, has nothing to store."""
    for number in ENDING:
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, signal.SIG_DFL)
    _release()
