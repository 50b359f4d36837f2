"""The one thread in which the engines of this process compute on a CPU.

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
