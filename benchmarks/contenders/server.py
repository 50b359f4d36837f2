"""vLLM's own server on this machine, for clients of the OpenAI protocol."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm.process import bound_cores

READY: Final = 300
"""Seconds in which it has to be ready."""
STOP: Final = 20
"""Seconds in which it has to end by itself."""
NAME: Final = "policy"


class Server:
    """``vllm serve`` with the settings that the engines in this process have."""

    def __init__(
        self, folder: Path, models: ModelSettings, longest: int, environment: Mapping[str, str]
    ) -> None:
        """Start it; entering the context waits until it is ready, leaving it ends it.

        Args:
            folder: the model.
            models: numbers, threads and ``vllm``.
            longest: most tokens of a prompt and its continuation.
            environment: as it was before an engine of this process changed it.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        # Nothing of this machine's proxies belongs between the two.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        # What `vllm serve` starts; the command itself looks for a package of the name vllm, which that for
        # CPUs has not.
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--model={folder}"]
        environment = {
            **environment,
            "VLLM_CPU_OMP_THREADS_BIND": bound_cores(models),
            "VLLM_NO_USAGE_STATS": "1",
            # Only for the address that empties the prefix cache.
            "VLLM_SERVER_DEV_MODE": "1",
        }
        self._process = subprocess.Popen(
            [*command, *self._options(models, longest)],
            env=environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _options(self, models: ModelSettings, longest: int) -> list[str]:
        return [
            "--host=127.0.0.1",
            f"--port={self.port}",
            f"--served-model-name={NAME}",
            f"--dtype={models.dtype}",
            f"--block-size={models.vllm.block_size}",
            f"--max-num-seqs={models.vllm.sequences}",
            f"--max-model-len={longest}",
            f"--kv-cache-memory-bytes={int((models.vllm.cache_gib or 1) * 2**30)}",
            "--generation-config=vllm",
            "--enforce-eager",
            "--enable-prefix-caching",
            "--disable-uvicorn-access-log",
        ]

    def __enter__(self) -> Server:
        try:
            self._await()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _await(self) -> None:
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"vllm serve ended with {self._process.returncode}: {self._tail()}")
            with suppress(OSError):
                self._open(f"{self.url}/health", timeout=5).close()
                return
            time.sleep(0.2)
        raise RuntimeError(f"vllm serve was not ready in {READY} s: {self._tail()}")

    def _tail(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-1500:]

    def generated(self) -> int:
        """Tokens generated since the start, as the server counts them."""
        with self._open(f"{self.url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        counts = [line.split()[-1] for line in lines if line.startswith("vllm:generation_tokens_total")]
        return int(sum(map(float, counts)))

    def forget(self) -> None:
        """Empty the prefix cache."""
        request = urllib.request.Request(f"{self.url}/reset_prefix_cache", method="POST")
        self._open(request, timeout=30).close()

    def cpu_seconds(self) -> float:
        """CPU time of the server and its processes so far."""
        import psutil

        whole = psutil.Process(self._process.pid)
        times = [process.cpu_times() for process in (whole, *whole.children(recursive=True))]
        return float(sum(each.user + each.system for each in times))

    def close(self) -> None:
        """End the server and all of its processes."""
        for way in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, way)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=STOP)
                break
        # What it started is in its group, and ends with it.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._log.close()
