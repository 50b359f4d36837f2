"""How the engines of this process share the cores of a CPU: one thread computes for all, in turns.

Every thread that computes with torch gets a pool of threads (OpenMP). As soon as all pools together have more
threads than there are cores, the GNU implementation lets threads sleep between parallel regions instead of
spinning, and a forward pass has hundreds of them: a second pool, though idle, costs a quarter of the speed.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

HARD: Final = 2
"""``omp_pause_hard`` of OpenMP 5.0: give all of a pool back."""


def release_pool() -> None:
    """End the pool of the calling thread, where torch computes with the GNU implementation of OpenMP.

    It gets a new one with the next parallel region.
    """
    library = _openmp()
    if library is not None:
        library.omp_pause_resource_all(HARD)


@cache
def _openmp() -> Any:
    """The OpenMP library that comes with torch; None where it is another one or cannot do this."""
    import torch

    path = Path(torch.__file__).with_name("lib") / "libgomp.so.1"
    library = ctypes.CDLL(str(path)) if path.exists() else None
    return library if hasattr(library, "omp_pause_resource_all") else None


class ComputeThread:
    """A thread that lives as long as anyone uses it.

    Work is done in the order in which it comes, so that engines take turns.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._pool: ThreadPoolExecutor | None = None

    def enter(self) -> None:
        """Use the thread from now on; the first user starts it.

        The pool of the calling thread ends: it has loaded a model, or trained one, and will wait now.
        """
        release_pool()
        with self._lock:
            self._users += 1
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "compute")

    def leave(self) -> None:
        """Use it no more; the last user ends it, and with it its pool."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._pool is not None:
                self._pool.shutdown()
                self._pool = None

    def submit(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Let the thread do ``work``; for users that have entered."""
        assert self._pool is not None, "enter() comes first"
        return self._pool.submit(work, *args, **kwargs)

    def call(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """The result of ``work``, done in the thread; what it raises is raised here."""
        return self.submit(work, *args, **kwargs).result()


COMPUTE = ComputeThread()


class Generation:
    """What the engines that generate are doing, for engines that score to wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[object, int] = {}
        self._passes = 0

    def note(self, engine: object, running: int, *, forward_pass: bool = False) -> None:
        """Tell those who wait how many requests ``engine`` has, and whether it made a forward pass."""
        with self._changed:
            self._passes += forward_pass
            self._running[engine] = running
            self._changed.notify_all()

    def leave(self, engine: object) -> None:
        """Forget an engine."""
        with self._changed:
            self._running.pop(engine, None)
            self._changed.notify_all()

    def wait(self, passes: int, running: int) -> None:
        """Return after so many more forward passes, or when fewer than so many requests are ``running``."""
        with self._changed:
            enough = self._passes + passes
            self._changed.wait_for(lambda: self._passes >= enough or sum(self._running.values()) < running)


GENERATION = Generation()
