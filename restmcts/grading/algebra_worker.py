r"""The process that compares answers by algebra; started by :mod:`restmcts.grading.math_grader`.

One request a line, ``{"answer": str, "oracle": str, "tolerance": number or null}``, gives one line back,
``{"correct": true or false}`` or ``{"error": name}``. The first line says ``{"ready": true}``, or why not. An
exception stops a comparison that takes too much processor time; where it cannot, the system ends the process.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
import time
from typing import Any, NoReturn

from restmcts.grading import algebra
from restmcts.processes import limit, private_output, reply


class _OutOfTime(BaseException):
    """No :class:`Exception`, because the algebra catches those."""


def main() -> None:
    """Serve requests from standard input until it closes. Arguments: seconds a request, bytes of memory."""
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    replies = private_output()
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGVTALRM, _out_of_time)
    limit(resource.RLIMIT_AS, memory)
    try:
        algebra.equal("x+1/2", r"\frac{1}{2}+x")
    except ImportError as error:
        reply(replies, {"missing": str(error)})
        return
    reply(replies, {"ready": True})
    for line in sys.stdin:
        reply(replies, _answer(line, seconds))


def _answer(line: str, seconds: float) -> dict[str, Any]:
    # The second limit ends the process: long arithmetic in C sees no exception.
    limit(resource.RLIMIT_CPU, int(time.process_time()) + 2)
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


if __name__ == "__main__":
    main()
