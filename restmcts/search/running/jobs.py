"""The jobs that run concurrently with one search."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from restmcts.search.branch import Branch
from restmcts.search.running.ledger import Ledger

T = TypeVar("T")


@dataclass(slots=True)
class Job:
    """A job that has been started.

    Attributes:
        branch: the recorder of the job.
        ledger: the ledger of the job; its budget is the share that was set aside.
        values: the values that the job knows.
        last: whether the share was all that was left of the budget.
        task: computes the node that the job returns; None where its share was not enough.
    """

    branch: Branch
    ledger: Ledger
    values: dict[int, float]
    last: bool
    task: asyncio.Task[int | None]


class Jobs:
    """The running jobs of a search, in the order in which they were started."""

    def __init__(self) -> None:
        self._running: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._running)

    def add(self, job: Job) -> None:
        self._running.append(job)

    async def oldest(self) -> Job:
        """Wait for the job that was started first, and take it out.

        Raises:
            EngineError: an engine failed in any of the jobs.
        """
        oldest = self._running[0]
        while True:
            for job in self._running:
                if job.task.done():
                    job.task.result()
            if oldest.task.done():
                return self._running.popleft()
            pending = [job.task for job in self._running if not job.task.done()]
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> list[Job]:
        """Cancel the jobs that still run; return all that have not joined."""
        for job in self._running:
            job.task.cancel()
        await asyncio.gather(*(job.task for job in self._running), return_exceptions=True)
        return list(self._running)


async def all_of(work: Sequence[Coroutine[Any, Any, T]], *, one_by_one: bool = False) -> list[T]:
    """Run coroutines concurrently, or one after the other; return their results in order.

    If one fails, the others are stopped.
    """
    if one_by_one:
        try:
            return [await each for each in work]
        finally:
            for each in work:
                each.close()
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
