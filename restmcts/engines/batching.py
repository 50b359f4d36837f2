"""One thread that owns a model, and the event loop that hands it everything that waits."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from restmcts.engines.compute import COMPUTE
from restmcts.engines.messages import first_line
from restmcts.errors import EngineError

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Job:
    """A request on its way through the thread; ``future`` belongs to ``loop``."""

    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    @property
    def cancelled(self) -> bool:
        return self.future.cancelled()


Finished = list[tuple[Job, Any]]
"""Jobs with their results, or with the exception that ended them."""


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine has done so far.

    ``prompt_tokens`` counts the tokens of all prompts, ``cached_tokens`` those of them that were not
    computed again, ``generated_tokens`` what was sampled and returned; ``seconds`` is the time in which
    the model ran. ``waiting`` and ``running`` are requests at this moment.
    """

    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    forward_passes: int
    seconds: float
    waiting: int
    running: int


class Core(Protocol):
    """The synchronous heart of an engine; only the thread touches it."""

    @property
    def busy(self) -> bool:
        """Is there anything to compute?"""
        ...

    def add(self, job: Any) -> None:
        """Take a request on."""
        ...

    def step(self) -> Finished:
        """Run the model once for everything that can be done together."""
        ...

    def drop(self) -> list[Any]:
        """Forget all requests and return them; called after a failure."""
        ...


def _nothing() -> None:
    pass


class Worker:
    """Runs a :class:`Core` in a thread of its own."""

    def __init__(
        self,
        core: Core,
        name: str,
        *,
        start: Callable[[], None] = _nothing,
        stop: Callable[[], None] = _nothing,
        gather: Callable[[], None] = _nothing,
        shared: bool = False,
    ) -> None:
        """Start the thread.

        ``start`` and ``stop`` are the first and the last that it does, for what has to be made and undone
        in the thread that uses it. What ``start`` raises is raised here. ``gather`` is called before each
        step and may wait: jobs that come meanwhile take part in that step. With ``shared``, steps, ``start``
        and ``stop`` are done in the thread in which all engines compute on a CPU.
        """
        self._core = core
        self._name = name
        self._start = start
        self._stop = stop
        self._gather = gather
        self._shared = shared
        self._inbox: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._pending: list[Job] = []
        self._collecting: asyncio.AbstractEventLoop | None = None
        self._closed = False
        if shared:
            COMPUTE.enter()
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name=name, daemon=True)
        self._thread.start()
        try:
            started.result()
        except BaseException:
            # Whoever sees the failure finds no thread left, and the shared one given back.
            self._thread.join()
            raise

    def submit(self, job: Job) -> None:
        """Hand a job over, together with all others that the event loop still has in store.

        Raises:
            EngineError: the engine was closed.
        """
        if self._closed:
            raise EngineError(f"{self._name}: the engine is closed")
        self._pending.append(job)
        if self._collecting is not job.loop:
            self._collecting = job.loop
            job.loop.call_soon(self._collect, 0)

    def close(self) -> None:
        """End the thread; whoever still waits gets an EngineError."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        self._inbox.put(None)
        self._thread.join()

    def _collect(self, seen: int) -> None:
        """Wait as long as callbacks that are ready bring more jobs."""
        if self._collecting is not None and len(self._pending) > seen:
            self._collecting.call_soon(self._collect, len(self._pending))
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        jobs, self._pending, self._collecting = self._pending, [], None
        if jobs:
            self._inbox.put(jobs)

    def _run(self, started: Future[None]) -> None:
        try:
            self._live(started)
        finally:
            if self._shared:
                COMPUTE.leave()

    def _live(self, started: Future[None]) -> None:
        try:
            self._compute(self._start)
        except BaseException as error:  # whatever it is, it belongs to the thread that waits for the start
            started.set_exception(error)
            return
        started.set_result(None)
        try:
            self._work()
        finally:
            self._compute(self._stop)

    def _compute(self, work: Callable[[], Result]) -> Result:
        return COMPUTE.call(work) if self._shared else work()

    def _work(self) -> None:
        while self._receive():
            if not self._core.busy:
                continue
            self._gather()
            if not self._receive():
                break
            try:
                finished = self._compute(self._core.step)
            except Exception as error:  # a failure of any kind belongs to those who wait
                failure = EngineError(f"{self._name}: {type(error).__name__}: {first_line(error)}")
                failure.__cause__ = error
                finished = [(job, failure) for job in self._core.drop()]
            _deliver(finished)
        closed = EngineError(f"{self._name}: the engine was closed")
        _deliver([(job, closed) for job in self._core.drop()])

    def _receive(self) -> bool:
        """Take new jobs on, waiting for some when there is nothing to do. False: close."""
        while True:
            try:
                jobs = self._inbox.get(block=not self._core.busy)
            except queue.Empty:
                return True
            if jobs is None:
                return False
            for job in jobs:
                self._core.add(job)


def _deliver(finished: Finished) -> None:
    loops = {job.loop for job, _ in finished}
    for loop in loops:
        part = [(job, result) for job, result in finished if job.loop is loop]
        # A closed loop has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, part)


def _settle(finished: Finished) -> None:
    for job, result in finished:
        if job.future.done():
            continue
        if isinstance(result, BaseException):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
