"""Another process, with limits on time and memory, for what may take forever or run wild."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from restmcts.errors import RestmctsError

START_SECONDS: Final = 120.0

_BLOCK = 1 << 16


class LimitedProcess:
    """A script that answers requests, started when it is first asked and again after it was killed.

    It runs as a script of its own instead of a fork or a spawn: no memory of the caller is copied, and the
    caller's main module is not imported again. The script gets the two limits as arguments, limits its memory
    itself, and writes a line ``{"ready": true}`` or ``{"missing": reason}`` before it reads requests. A
    request and its reply are one line of JSON each.
    """

    def __init__(self, script: Path, seconds: float, memory: int, failure: str) -> None:
        """Nothing is started yet.

        Args:
            script: the file of the script, which imports nothing of this package.
            seconds: time limit of one request, in seconds.
            memory: address space of the process, in bytes.
            failure: the error message if it cannot start, with ``{reason}``.
        """
        self.seconds = seconds
        self.memory = memory
        self._script = script
        self._failure = failure
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request, or ``{"error": "time-out" | "crash" | name of an exception}``.

        Raises:
            RestmctsError: the process cannot start.
        """
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
        """End the process; the next request starts another one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # -P keeps the folder of the script, with its module names, out of the import path.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(self._script), str(self.seconds), str(self.memory)],
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
            raise RestmctsError(self._failure.format(reason=reason))
        return self._process


def _exchange(
    process: subprocess.Popen[bytes], request: dict[str, Any], seconds: float
) -> dict[str, Any] | None:
    assert process.stdin is not None
    data = memoryview(json.dumps(request).encode() + b"\n")
    try:
        while data:
            data = data[process.stdin.write(data) :]
    except BrokenPipeError:
        return None
    return _read(process, seconds)


def _read(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
    """The next line of the process; None when the process has ended."""
    assert process.stdout is not None
    until = time.monotonic() + seconds
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, until - time.monotonic())):
                return {"error": "time-out"}
            part = os.read(process.stdout.fileno(), _BLOCK)
            if not part:
                return None
            line += part
    reply: dict[str, Any] = json.loads(line)
    return reply
