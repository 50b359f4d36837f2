"""Another process with limits on time and memory, for what may take forever or run wild.

:class:`LimitedProcess` asks it; the functions at the end are for the process itself.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from restmcts.errors import RestmctsError

START_SECONDS = 120.0
REPLY_SECONDS = 60.0
"""Wall time, for a process that gets no processor time; the limits of a request are in processor time."""

_BLOCK = 1 << 16


class LimitedProcess:
    """A module that answers requests, started when it is first asked and again after it has ended.

    It runs as a module of its own instead of a fork or a spawn: no memory of the caller is copied, and the
    caller's main module is not imported again. A request and its reply are one line of JSON each; before it
    reads requests, the process says ``{"ready": true}`` or ``{"missing": reason}``.

    Args:
        module: the module, which serves requests when it is run.
        seconds: its first argument: processor time of one request.
        memory: its second argument: address space of the process, in bytes.
        failure: the message of the error where it cannot start, with ``{reason}``.
    """

    def __init__(self, module: str, seconds: float, memory: int, failure: str) -> None:
        self.seconds = seconds
        self.memory = memory
        self._module = module
        self._failure = failure
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
            [sys.executable, "-P", "-m", self._module, str(self.seconds), str(self.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={
                **os.environ,
                "PYTHONPATH": same_packages(),
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
        )
        reply = _read(self._process, START_SECONDS)
        if reply is None or "ready" not in reply:
            self.stop()
            reason = "it ended at once" if reply is None else reply.get("missing", "it did not start in time")
            raise RestmctsError(self._failure.format(reason=reason))
        return self._process


def same_packages() -> str:
    """The search path that gives another process this very package, wherever it was imported from."""
    folders = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(filter(None, folders))


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any] | None:
    assert process.stdin is not None
    data = memoryview(json.dumps(request).encode() + b"\n")
    try:
        while data:
            data = data[process.stdin.write(data) :]
    except BrokenPipeError:
        return None
    return _read(process, REPLY_SECONDS)


def _read(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
    """The next line of the process; None when it has ended, or says nothing for so long."""
    assert process.stdout is not None
    until, line = time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
            part = os.read(process.stdout.fileno(), _BLOCK)
            if not part:
                return None
            line += part
    found: dict[str, Any] = json.loads(line)
    return found


def private_output() -> TextIO:
    """The pipe to the process that asks; whatever a library prints goes to the standard error instead."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def reply(output: TextIO, message: dict[str, Any]) -> None:
    """Write one line for the process that asks."""
    output.write(json.dumps(message) + "\n")
    output.flush()


def limit(kind: int, amount: int) -> None:
    """Limit what this process may take of a resource of the module :mod:`resource`."""
    import resource

    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        amount = min(amount, hard)
    try:
        resource.setrlimit(kind, (amount, hard))
    except (ValueError, OSError):
        # macOS has no limit of the address space; those of time still hold.
        return
