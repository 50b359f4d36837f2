"""The process that compares two answers by computer algebra; started by :mod:`restmcts.grading.math_grader`.

It is run as a script, so that it imports math-verify and nothing of restmcts. One request a line,
``{"answer": str, "oracle": str, "tolerance": number or null}``, gives one line back,
``{"correct": true or false}`` or ``{"error": name}``. The first line says ``{"ready": true}``, or why not.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
from typing import Any, TextIO


def main() -> None:
    """Serve requests from standard input until it closes. Arguments: seconds a request, bytes of memory."""
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    replies = _private_output()
    _limit(memory)
    try:
        compare("1/2", r"\frac{1}{2}", None)
    except ImportError as error:
        _reply(replies, {"missing": str(error)})
        return
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        _guard(seconds)
        _reply(replies, _answer(line))
        _guard(None)


def compare(answer: str, oracle: str, tolerance: float | None) -> bool:
    """Are the two expressions equal, or as numbers within the relative ``tolerance``?"""
    from math_verify import (  # type: ignore[import-untyped]
        ExprExtractionConfig,
        LatexExtractionConfig,
        parse,
        verify,
    )

    # math-verify's own time limits need signals in the main thread; the parent kills this process instead.
    configuration = [LatexExtractionConfig(), ExprExtractionConfig()]
    gold, given = (
        parse(f"${text}$", configuration, parsing_timeout=None, raise_on_error=True)
        for text in (oracle, answer)
    )
    if verify(gold, given, timeout_seconds=None, raise_on_error=True):
        return True
    return tolerance is not None and _close(gold, given, tolerance)


def _close(gold: list[Any], given: list[Any], tolerance: float) -> bool:
    numbers = [_real(values[0]) if values else None for values in (gold, given)]
    if numbers[0] is None or numbers[1] is None:
        return False
    return math.isclose(numbers[0], numbers[1], rel_tol=tolerance)


def _real(expression: Any) -> float | None:
    if not getattr(expression, "is_number", False) or not expression.is_real:
        return None
    return float(expression.evalf())


def _answer(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
        return {"correct": bool(compare(request["answer"], request["oracle"], request["tolerance"]))}
    except MemoryError:
        raise
    except Exception as error:
        # The algebra fails in many ways on what a model writes; the parent counts the names.
        return {"error": type(error).__name__}


def _reply(output: TextIO, message: dict[str, Any]) -> None:
    output.write(json.dumps(message) + "\n")
    output.flush()


def _private_output() -> TextIO:
    """The pipe to the parent; whatever a library prints goes to the standard error instead."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    return replies


def _limit(memory: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        memory = min(memory, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (memory, hard))
    except (ValueError, OSError):
        # macOS has no such limit; the time limit still holds.
        return


def _guard(seconds: float | None) -> None:
    """Let the system end this process should its parent be gone and not there to do so."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else seconds + 5)


if __name__ == "__main__":
    main()
