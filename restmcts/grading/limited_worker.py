r"""The process of a :class:`restmcts.grading.limited.LimitedGrader`: serves requests within its limits.

One request a line gives one line back, ``{"correct": true or false}`` or ``{"error": name}``. The first line
says ``{"ready": true}``, or why not. An exception stops a comparison that takes too much processor time;
where it cannot, the system ends the process.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from restmcts.processes import limit, private_output, reply


class _OutOfTime(BaseException):
    """No :class:`Exception`, because what compares catches those."""


def serve(prepare: Callable[[], object], compare: Callable[[dict[str, Any]], bool]) -> None:
    """Serve requests from standard input until it closes. Arguments: seconds a request, bytes of memory.

    Args:
        prepare: imports what is needed; raises ImportError where that is missing.
        compare: the verdict on a request. Any exception means that there is none.
    """
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    replies = private_output()
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGVTALRM, _out_of_time)
    limit(resource.RLIMIT_AS, memory)
    try:
        prepare()
    except ImportError as error:
        reply(replies, {"missing": str(error)})
        return
    reply(replies, {"ready": True})
    for line in sys.stdin:
        reply(replies, _answer(line, seconds, compare))


def _answer(line: str, seconds: float, compare: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    # The second limit ends the process: long arithmetic in C sees no exception.
    limit(resource.RLIMIT_CPU, int(time.process_time()) + 2)
    try:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            return {"correct": compare(request)}
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _OutOfTime:
        return {"error": "time-out"}
    except Exception as error:
        # Comparing fails in many ways on what a model writes; the parent counts the names.
        return {"error": type(error).__name__}


def _out_of_time(_number: int, _frame: object) -> NoReturn:
    raise _OutOfTime
