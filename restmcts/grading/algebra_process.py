"""The other process that compares answers: started when it is first asked, and again after it has ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from restmcts.errors import RestmctsError

START_SECONDS = 120.0
REPLY_SECONDS = 60.0
"""Wall time, for a process that gets no processor time; the limits of a comparison are in processor time."""


class AlgebraProcess:
    """Asks the process of :mod:`restmcts.grading.algebra_worker`, one request at a time.

    It runs a module of its own instead of a fork or a spawn: no memory of the caller is copied, and the
    caller's main module is not imported again.

    Args:
        seconds: processor time of one comparison.
        memory: address space of the process, in bytes.
    """

    def __init__(self, seconds: float, memory: int) -> None:
        self.seconds = seconds
        self.memory = memory
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request, or ``{"error": "time-out" | "crash" | name of an exception}``.

        Raises:
            RestmctsError: the process cannot start, for example because a package is missing.
        """
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        process = self._process or self._start()
        try:
            reply = _exchange(process, request)
        except BaseException:
            # An interrupt: the reply would come later and be taken for that of the next request.
            self.stop()
            raise
        if reply is None:
            return {"error": self._end()}
        return reply

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _end(self) -> str:
        """Why the process gave no reply."""
        process = self._process
        assert process is not None
        try:
            ended = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            ended = 0
        self.stop()
        return "time-out" if ended in (0, -signal.SIGXCPU) else "crash"

    def _start(self) -> subprocess.Popen[bytes]:
        # -P keeps the folder of the caller, with its module names, out of the import path.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "restmcts.grading.algebra_worker",
                str(self.seconds),
                str(self.memory),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={
                **os.environ,
                "PYTHONPATH": _same_packages(),
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
        )
        reply = _read(self._process, START_SECONDS)
        if reply is None or "ready" not in reply:
            self.stop()
            reason = "it ended at once" if reply is None else reply.get("missing", "it did not start in time")
            raise RestmctsError(
                f"answers cannot be graded: {reason}; check with pip install latex2sympy2_extended"
            )
        return self._process


def _same_packages() -> str:
    """The search path that gives the process this very package, wherever it was imported from."""
    folders = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(filter(None, folders))


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any] | None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
    except BrokenPipeError:
        return None
    return _read(process, REPLY_SECONDS)


def _read(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
    """The next line of the process; None when it has ended, or says nothing for so long."""
    assert process.stdout is not None
    # A reply is one short write, so that what is ready to be read is a whole line.
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            return None
    line = process.stdout.readline()
    reply: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
    return reply
