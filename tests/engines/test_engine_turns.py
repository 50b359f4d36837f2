"""How engines that share a process and its cores give way to each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from restmcts.engines.batching import Job, Worker
from restmcts.engines.compute import Generation
from restmcts.errors import EngineError
from tests.engines.ready_core import ReadyCore

POLICY = "policy"


@pytest.fixture
def generation() -> Generation:
    return Generation()


def waiting(generation: Generation, passes: int, running: int) -> threading.Thread:
    """A thread that waits for generation, and does so by now."""
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        generation.wait(passes, running)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert begun.wait(10)
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(10)
    return not thread.is_alive()


def test_scoring_waits_for_the_passes_of_a_busy_policy(generation: Generation) -> None:
    generation.note(POLICY, 30)
    thread = waiting(generation, 3, 20)
    for _ in range(2):
        generation.note(POLICY, 30, forward_pass=True)
    thread.join(0.2)
    assert thread.is_alive()
    generation.note(POLICY, 30, forward_pass=True)
    assert ended(thread)


@pytest.mark.parametrize("left", [0, 19])
def test_scoring_does_not_wait_for_a_policy_that_has_little_to_do(generation: Generation, left: int) -> None:
    generation.note(POLICY, 30)
    thread = waiting(generation, 3, 20)
    generation.note(POLICY, left)
    assert ended(thread)
    assert ended(waiting(generation, 3, 20))


def test_scoring_does_not_wait_for_a_policy_that_is_gone(generation: Generation) -> None:
    generation.note(POLICY, 30)
    thread = waiting(generation, 3, 20)
    generation.leave(POLICY)
    assert ended(thread)


class Gathering:
    """A gathering that goes on until it is told that there is enough."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.enough = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.enough.wait(10)


async def test_jobs_that_come_while_an_engine_gathers_share_its_step() -> None:
    gathering = Gathering()
    worker = Worker(ReadyCore(int), "counting", gather=gathering)
    first = submit(worker)
    await asyncio.to_thread(gathering.begun.wait, 10)
    second = submit(worker, then=gathering.enough.set)
    assert list(await asyncio.gather(first, second)) == [2, 2]
    worker.close()


async def test_a_worker_that_is_closed_while_it_gathers_fails_its_jobs() -> None:
    gathering = Gathering()
    worker = Worker(ReadyCore(int), "counting", gather=gathering)
    thread = worker._thread

    class Joined:
        """By the time that the thread is joined, the end was put into its inbox."""

        def join(self) -> None:
            gathering.enough.set()
            thread.join()

    worker._thread = Joined()  # type: ignore[assignment]
    job = submit(worker)
    await asyncio.to_thread(gathering.begun.wait, 10)
    await asyncio.to_thread(worker.close)
    with pytest.raises(EngineError, match="counting: the engine was closed"):
        await job


def submit(worker: Worker, then: Callable[[], None] | None = None) -> asyncio.Future[int]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    worker.submit(Job(future, loop))
    if then is not None:
        # After the callback that hands the job over.
        loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(then)))
    return future
