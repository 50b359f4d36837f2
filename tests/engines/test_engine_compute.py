"""The thread in which engines compute on a CPU, and the pools of threads of OpenMP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from restmcts.engines.batching import Job, Worker
from restmcts.engines.compute import COMPUTE, ComputeThread, _openmp
from tests.engines.ready_core import ReadyCore

POOLS = """
import os, sys, time, torch
from restmcts.engines.compute import release_pool

def threads():
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads(3)
alone = threads()
torch.ones(2_000_000).exp_()
pooled = threads()
release_pool()
deadline = time.monotonic() + 10
while threads() > alone and time.monotonic() < deadline:
    time.sleep(0.001)
released = threads()
torch.ones(2_000_000).exp_()
print(pooled - alone, released - alone, threads() - alone)
"""


@pytest.mark.skipif(_openmp() is None, reason="torch computes with another OpenMP here")
def test_a_pool_ends_and_comes_back() -> None:
    done = subprocess.run([sys.executable, "-c", POOLS], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["2", "0", "2"], done.stderr


def test_the_thread_lives_as_long_as_it_is_used() -> None:
    compute = ComputeThread()
    compute.enter()
    compute.enter()
    thread = compute.call(threading.current_thread)
    compute.leave()
    assert thread.is_alive()
    assert compute.call(threading.current_thread) is thread
    compute.leave()
    assert not thread.is_alive()
    compute.enter()
    assert compute.call(threading.current_thread) is not thread
    compute.leave()


def test_what_fails_in_the_thread_is_raised_by_the_call() -> None:
    compute = ComputeThread()
    compute.enter()
    with pytest.raises(ZeroDivisionError):
        compute.call(divmod, 1, 0)
    assert compute.call(divmod, 7, 2) == (3, 1)
    compute.leave()


@pytest.mark.parametrize(("shared", "number"), [(True, 1), (False, 2)])
async def test_engines_compute_in_one_thread_where_they_share_it(shared: bool, number: int) -> None:
    begun: list[threading.Thread] = []
    workers = [
        Worker(
            ReadyCore(lambda _: threading.current_thread()),
            name,
            start=lambda: begun.append(threading.current_thread()),
            shared=shared,
        )
        for name in ("one", "other")
    ]
    loop = asyncio.get_running_loop()
    jobs = [Job(loop.create_future(), loop) for _ in workers]
    for worker, job in zip(workers, jobs, strict=True):
        worker.submit(job)
    computing = await asyncio.gather(*(job.future for job in jobs))
    assert len(set(computing)) == number
    assert computing == begun
    for worker in workers:
        worker.close()
    assert shared or not any(thread.is_alive() for thread in computing)


def test_a_start_that_fails_does_not_keep_the_thread() -> None:
    users = COMPUTE._users

    def fail() -> None:
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        Worker(ReadyCore(int), "failing", start=fail, shared=True)
    assert "failing" not in {thread.name for thread in threading.enumerate()}
    assert COMPUTE._users == users
