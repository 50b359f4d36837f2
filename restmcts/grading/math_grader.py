"""The grader ``math``: answers are compared with the oracle answer by value, not by spelling.

Numbers and equal spellings are compared here. The rest goes to math-verify in another process with
limits on time and memory, because computer algebra can take forever on what a language model writes.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from restmcts.errors import RestmctsError
from restmcts.grading.finding import MathAnswers
from restmcts.grading.normalize import MAX_LENGTH, normalize_answer, parse_number
from restmcts.grading.registry import GraderKind
from restmcts.problems.problem import Problem

MAX_ALGEBRA = 1000
"""Longer answers are not given to the algebra; no oracle answer is as long."""

START_SECONDS = 120.0
REMEMBERED = 10_000

_WORD = re.compile(r"\(?[^\W\d_]{3,}(?:[ '-][^\W\d_]+)*\)?")


@dataclass(slots=True)
class GraderStats:
    """What a grader did.

    ``graded``: answers graded; ``algebra``: those that went to the process; ``timeouts``: those that ran
    out of time; ``errors``: those that the algebra gave up on or that were too long; ``reasons``: how often
    each reason occurred. Answers counted in ``timeouts`` and ``errors`` were graded as wrong.
    """

    graded: int = 0
    algebra: int = 0
    timeouts: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class MathGrader(MathAnswers):
    """Grades numbers and expressions; usable from any thread (one comparison runs at a time).

    Args:
        seconds: time limit of one comparison, in seconds.
        memory: address space of the process that compares, in bytes.
    """

    def __init__(self, *, seconds: float = 5.0, memory: int = 2 * 1024**3) -> None:
        self.stats = GraderStats()
        self._worker = _Worker(seconds, memory)
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, float | None], bool] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; a later call of :meth:`equal` starts a new one."""
        with self._lock:
            self._worker.stop()

    def grade(self, problem: Problem, answers: Sequence[str]) -> list[bool]:
        """A verdict on each answer to a problem that has an oracle answer, within its tolerance."""
        assert problem.answer is not None
        return [self.equal(answer, problem.answer, tolerance=problem.tolerance) for answer in answers]

    def equal(self, answer: str, oracle: str, *, tolerance: float | None = None) -> bool:
        """Does ``answer`` equal the oracle answer?

        Numbers must be equal exactly, or differ by at most ``tolerance`` times the larger one, which is
        how SciBench grades. What cannot be compared within the limits is wrong, and counted in
        :attr:`stats`.

        Raises:
            RestmctsError: the process cannot start, for example because math-verify is not installed.
        """
        left, right = normalize_answer(answer), normalize_answer(oracle)
        with self._lock:
            self.stats.graded += 1
            verdict = _quick(left, right, tolerance)
            if verdict is not None:
                return verdict
            if max(len(left), len(right)) > MAX_ALGEBRA:
                self._count("too long")
                return False
            return self._remembered(left, right, tolerance)

    def _remembered(self, left: str, right: str, tolerance: float | None) -> bool:
        """Traces of one problem often share an answer, and a time-out should be paid for once."""
        key = (left, right, tolerance)
        if key in self._known:
            return self._known[key]
        reply = self._compare(left, right, tolerance)
        correct = reply.get("correct") is True
        # A crash may be the doing of the system, and not of the answer.
        if reply.get("error") != "crash":
            self._known[key] = correct
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return correct

    def _compare(self, left: str, right: str, tolerance: float | None) -> dict[str, Any]:
        self.stats.algebra += 1
        reply = self._worker.ask({"answer": left, "oracle": right, "tolerance": tolerance})
        if "error" in reply:
            self._count(str(reply["error"]))
        return reply

    def _count(self, reason: str) -> None:
        self.stats.reasons[reason] += 1
        if reason == "time-out":
            self.stats.timeouts += 1
        else:
            self.stats.errors += 1


def _quick(left: str, right: str, tolerance: float | None) -> bool | None:
    """The verdict where no algebra is needed, else None."""
    if not left or not right:
        return False
    if left == right:
        # Texts that were cut may differ behind the cut.
        return len(left) < MAX_LENGTH
    numbers = parse_number(left), parse_number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return _equal(numbers[0], numbers[1], tolerance)
    # To the algebra a word is a product of variables, and 'neve' would equal 'even'.
    return False if _WORD.fullmatch(left) and _WORD.fullmatch(right) else None


def _equal(left: Fraction, right: Fraction, tolerance: float | None) -> bool:
    if tolerance is None:
        return left == right
    return abs(left - right) <= Fraction(str(tolerance)) * max(abs(left), abs(right))


class _Worker:
    """The other process, started when it is first asked and again after it was killed.

    It runs a script of its own instead of a fork or a spawn: no memory of the caller is copied, and the
    caller's main module is not imported again.
    """

    def __init__(self, seconds: float, memory: int) -> None:
        self.seconds = seconds
        self.memory = memory
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request, or ``{"error": "time-out" | "crash" | name of an exception}``."""
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        process = self._process or self._start()
        try:
            reply = _exchange(process, request, self.seconds)
        except BaseException:
            # An interrupt: the reply would come later and be taken for that of the next request.
            self.stop()
            raise
        if reply is None or reply.get("error") == "time-out":
            self.stop()
        return {"error": "crash"} if reply is None else reply

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("algebra_worker.py")
        # -P keeps the folder of the script, with its module names, out of the import path.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(self.seconds), str(self.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        reply = _read(self._process, START_SECONDS)
        if reply is None or "ready" not in reply:
            self.stop()
            reason = (
                "it ended at once" if reply is None else str(reply.get("missing", "it did not start in time"))
            )
            raise RestmctsError(f"answers cannot be graded: {reason}; check with pip install math-verify")
        return self._process


def _exchange(
    process: subprocess.Popen[bytes], request: dict[str, Any], seconds: float
) -> dict[str, Any] | None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
    except BrokenPipeError:
        return None
    return _read(process, seconds)


def _read(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
    """The next line of the process; None when the process has ended."""
    assert process.stdout is not None
    # A reply is one short write, so that what is ready to be read is a whole line.
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            return {"error": "time-out"}
    line = process.stdout.readline()
    reply: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
    return reply


MATH = GraderKind(MathGrader, "numbers and expressions, by value (math-verify)")
