"""How engines that share a process and its cores give way to each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from ready_core import ReadyCore

from restmcts.engines.batching import Job, Worker
from restmcts.engines.vllm_process import note_generation, wait_for_generation
from restmcts.errors import EngineError

POLICY = -1
"""A number that no engine has."""


@pytest.fixture(autouse=True)
def idle() -> Iterator[None]:
    yield
    note_generation(POLICY, 0)


def waiting(steps: int, running: int) -> threading.Thread:
    """A thread that waits for generation, and does so by now."""
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        wait_for_generation(steps, running)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert begun.wait(10)
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(10)
    return not thread.is_alive()


def test_scoring_waits_for_the_steps_of_a_busy_policy() -> None:
    note_generation(POLICY, 30)
    thread = waiting(3, 20)
    for _ in range(2):
        note_generation(POLICY, 30, step=True)
    thread.join(0.2)
    assert thread.is_alive()
    note_generation(POLICY, 30, step=True)
    assert ended(thread)


@pytest.mark.parametrize("left", [0, 19])
def test_scoring_does_not_wait_for_a_policy_that_has_little_to_do(left: int) -> None:
    note_generation(POLICY, 30)
    thread = waiting(3, 20)
    note_generation(POLICY, left)
    assert ended(thread)
    assert ended(waiting(3, 20))


async def test_jobs_that_come_while_an_engine_gathers_share_its_step() -> None:
    gathering, enough = threading.Event(), threading.Event()

    def gather() -> None:
        gathering.set()
        assert enough.wait(10)

    worker = Worker(ReadyCore(int), "counting", gather=gather)
    first = submit(worker)
    await asyncio.to_thread(gathering.wait, 10)
    second = submit(worker, then=enough.set)
    assert await asyncio.gather(first, second) == [2, 2]
    worker.close()


async def test_a_worker_that_is_closed_while_it_gathers_fails_its_jobs() -> None:
    gathering, closing = threading.Event(), threading.Event()

    def gather() -> None:
        gathering.set()
        assert closing.wait(10)

    worker = Worker(ReadyCore(int), "counting", gather=gather)
    thread = worker._thread

    class Joined:
        """By the time that the thread is joined, the end was put into its inbox."""

        def join(self) -> None:
            closing.set()
            thread.join()

    worker._thread = Joined()  # type: ignore[assignment]
    job = submit(worker)
    await asyncio.to_thread(gathering.wait, 10)
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
