r"""The process that compares answers by algebra; started by :mod:`restmcts.grading.algebra_process`.

One request a line, ``{"answer": str, "oracle": str, "tolerance": number or null}``, gives one line back,
``{"correct": true or false}`` or ``{"error": name}``. The first line says ``{"ready": true}``, or why not. An
exception stops a comparison that takes too much processor time; where it cannot, the system ends the process.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import time
from typing import Any, NoReturn, TextIO

from restmcts.grading import algebra


class _OutOfTime(BaseException):
    """No :class:`Exception`, because the algebra catches those."""


def main() -> None:
    """Serve requests from standard input until it closes. Arguments: seconds a request, bytes of memory."""
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    replies = _private_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGVTALRM, _out_of_time)
    _limit(resource.RLIMIT_AS, memory)
    try:
        algebra.equal("x+1/2", r"\frac{1}{2}+x")
    except ImportError as error:
        _reply(replies, {"missing": str(error)})
        return
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        _reply(replies, _answer(line, seconds))


def _answer(line: str, seconds: float) -> dict[str, Any]:
    # The second limit ends the process: long arithmetic in C sees no exception.
    _limit(resource.RLIMIT_CPU, int(time.process_time()) + 2)
    try:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            return {"correct": algebra.equal(request["answer"], request["oracle"], request["tolerance"])}
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _OutOfTime:
        return {"error": "time-out"}
    except Exception as error:
        # The algebra fails in many ways on what a model writes; the parent counts the names.
        return {"error": type(error).__name__}


def _out_of_time(_number: int, _frame: object) -> NoReturn:
    raise _OutOfTime


def _reply(output: TextIO, message: dict[str, Any]) -> None:
    output.write(json.dumps(message) + "\n")
    output.flush()


def _private_output() -> TextIO:
    """The pipe to the parent; whatever a library prints goes to the standard error instead."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    return replies


def _limit(kind: int, amount: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        amount = min(amount, hard)
    try:
        resource.setrlimit(kind, (amount, hard))
    except (ValueError, OSError):
        # macOS has no limit of the address space; those of time still hold.
        return


if __name__ == "__main__":
    main()
