"""What graders share that compare in another process: verdicts are remembered, failures counted."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from restmcts.processes import LimitedProcess

REMEMBERED = 10_000
"""So many verdicts are kept; traces of one problem often share an answer."""


@dataclass(slots=True)
class GraderStats:
    """What a grader did.

    ``graded``: answers graded; ``asked``: how often the process was asked; ``timeouts``: those that ran
    out of time; ``errors``: those that the process gave up on; ``reasons``: how often each reason occurred.
    Answers counted in ``timeouts`` and ``errors`` have no verdict.
    """

    graded: int = 0
    asked: int = 0
    timeouts: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class LimitedGrader:
    """Asks a process for verdicts; usable from any thread (one comparison runs at a time).

    Args:
        module: the module of the process, see :class:`restmcts.processes.LimitedProcess`.
        failure: the message of the error where it cannot start, with ``{reason}``.
        seconds: limit of one comparison, in seconds of processor time; about 1.5 s more where long arithmetic
            does not stop.
        memory: address space of the process, in bytes.
    """

    def __init__(self, module: str, failure: str, seconds: float, memory: int) -> None:
        self.stats = GraderStats()
        self._process = LimitedProcess(module, seconds, memory, failure)
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, bool | None] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; a later comparison starts a new one."""
        with self._lock:
            self._process.stop()

    def _remembered(self, key: Hashable, request: dict[str, Any]) -> bool | None:
        """The reply to a request, asked for once: a time-out should be paid for once. Needs the lock."""
        if key in self._known:
            return self._known[key]
        reply = self._ask(request)
        if reply.get("error") == "crash":
            # A crash may be the doing of the system, and not of the answer.
            reply = self._ask(request)
        if "error" in reply:
            self._count(str(reply["error"]))
        verdict: bool | None = reply.get("correct")
        if reply.get("error") != "crash":
            self._known[key] = verdict
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return verdict

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.stats.asked += 1
        return self._process.ask(request)

    def _count(self, reason: str) -> None:
        self.stats.reasons[reason] += 1
        if reason == "time-out":
            self.stats.timeouts += 1
        else:
            self.stats.errors += 1
