"""Which worker does which task, and what happens to tasks when workers are lost; it knows no Ray.

A worker has a limited number of tasks at a time and nothing waits at it. So a slow worker gets less to do,
and a lost one loses little. A task whose worker is lost goes to the front of those that wait. A task that was
there when two workers were lost is under suspicion: it gets a worker of its own, so that no other task is
blamed for what it does. If that worker is lost as well, the task is given up.

A worker that was lost gets nothing before it has answered again: tasks that are sent to a process that has
just died are all lost once more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Generic, Protocol, TypeVar

from restmcts.errors import PhaseError

KILLS: Final = 3
"""A task is given up when so many workers were lost while they did it."""

Task = TypeVar("Task")
Result = TypeVar("Result")
Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)


class WorkerLostError(Exception):
    """A worker does not answer; what it was doing is lost."""


class WorkerGoneError(Exception):
    """A worker that was lost does not come back."""


class Worker(Protocol[Given, Made]):
    """What does tasks, several at a time."""

    name: str

    async def do(self, task: Given) -> Made:
        """The result of a task.

        Raises:
            WorkerLostError: the worker is lost, whatever the reason.
        """
        ...

    async def come_back(self) -> None:
        """Return when the worker answers, and does nothing that it was told before.

        Raises:
            WorkerGoneError: it never will.
        """
        ...


@dataclass(slots=True, eq=False)
class _Job(Generic[Task]):
    """A task, and how many workers were lost that did it."""

    task: Task
    losses: int = 0


@dataclass(slots=True, eq=False)
class _Place(Generic[Task, Result]):
    """A worker: whether it answers, and what it does.

    ``asked``: it was asked to come back. ``losses`` counts how often it was lost, so that a call is known
    that was made before. ``done`` counts the tasks that it has done.
    """

    worker: Worker[Task, Result]
    answers: bool = False
    asked: bool = False
    gone: bool = False
    alone: bool = False
    losses: int = 0
    done: int = 0
    running: set[_Job[Task]] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class _Call(Generic[Task, Result]):
    """What a worker was asked: to do a job, or (None) to come back."""

    place: _Place[Task, Result]
    job: _Job[Task] | None
    losses: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a worker stands, the tasks that it has and those it has done.

    ``state`` is ``starting`` until it answers for the first time, ``working``, ``lost`` or ``gone``.
    """

    state: str
    running: int
    done: int


class _Line(Generic[Task]):
    """The jobs that wait: those that were lost come first, those under suspicion apart."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._new: Iterator[Task] = iter(tasks)
        self._front: deque[_Job[Task]] = deque()
        self._suspects: deque[_Job[Task]] = deque()

    @property
    def waits(self) -> bool:
        """Whether any job waits."""
        if not self._front:
            self._front.extend(map(_Job, islice(self._new, 1)))
        return bool(self._front or self._suspects)

    def put_back(self, job: _Job[Task]) -> None:
        """Take a job that was lost with its worker."""
        (self._suspects if job.losses == KILLS - 1 else self._front).append(job)

    def take(self, place: _Place[Task, Any]) -> _Job[Task] | None:
        """The next job for a worker; None where there is none that it can have now."""
        if self._suspects and not place.running:
            place.alone = True
            return self._suspects.popleft()
        if self._front:
            return self._front.popleft()
        return next(map(_Job, self._new), None)


class Pool(Generic[Task, Result]):
    """Workers that share tasks.

    Args:
        workers: they count as lost until they have come back for the first time.
        concurrency: the most tasks that a worker has at a time.
        grace: how long no worker may answer, in seconds, before a round of tasks is given up.
        note: is told what the user should know, in one line.
    """

    def __init__(
        self,
        workers: Sequence[Worker[Task, Result]],
        concurrency: int,
        *,
        grace: float,
        note: Callable[[str], None],
    ) -> None:
        self._places: list[_Place[Task, Result]] = [_Place(worker) for worker in workers]
        self._concurrency = concurrency
        self._grace = grace
        self._note = note
        self._with_room: dict[_Place[Task, Result], None] = {}  # ordered, as a set is not
        self._calls: dict[asyncio.Future[Any], _Call[Task, Result]] = {}
        self._ended: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
        self._silent_since: float | None = None

    @property
    def answering(self) -> int:
        """How many workers answer."""
        return sum(place.answers for place in self._places)

    def standings(self) -> list[Standing]:
        """How each worker stands, in the order of the workers."""
        return [
            Standing(
                _state(place),
                len(place.running),
                place.done,
            )
            for place in self._places
        ]

    async def run(
        self, tasks: Iterable[Task], give_up: Callable[[Task, str], Result]
    ) -> AsyncGenerator[Result]:
        """Do the tasks; yields the result of each as it comes, in any order. One round runs at a time.

        Args:
            tasks: are taken as workers have room for them.
            give_up: gives the result of a task that workers are lost by, from the reason.

        Raises:
            PhaseError: no worker is left, or none answered for the time of grace.
        """
        line = _Line(tasks)
        self._ended = asyncio.Queue()
        try:
            while True:
                self._ask_back()
                self._hand_out(line)
                if not any(place.running for place in self._places) and not line.waits:
                    return
                for ended in await self._next_ended():
                    call = self._calls.pop(ended)
                    if call.job is None:
                        self._came_back(call, ended)
                    elif isinstance(ended.exception(), WorkerLostError):
                        self._lose(call, call.job, str(ended.exception()))
                        if call.job.losses < KILLS:
                            line.put_back(call.job)
                        else:
                            yield give_up(call.job.task, _blame(str(ended.exception())))
                    else:
                        self._leave(call, call.job)
                        result = ended.result()
                        call.place.done += 1
                        yield result
        finally:
            await self._drop_calls()

    def _ask_back(self) -> None:
        """Ask the workers that are lost whether they are there, each once at a time."""
        for place in self._places:
            if not (place.answers or place.gone or place.asked):
                place.asked = True
                self._call(place, None, asyncio.ensure_future(place.worker.come_back()))

    def _hand_out(self, line: _Line[Task]) -> None:
        """Give jobs to the workers with the least to do, as long as there is room."""
        while (place := self._most_room()) is not None and (job := line.take(place)) is not None:
            place.running.add(job)
            self._look_for_room(place)
            self._call(place, job, asyncio.ensure_future(place.worker.do(job.task)))

    def _most_room(self) -> _Place[Task, Result] | None:
        return min(self._with_room, key=lambda place: len(place.running), default=None)

    def _look_for_room(self, place: _Place[Task, Result]) -> None:
        """Note whether a worker that has changed can have another job: few of many have room at a time."""
        if place.answers and not place.alone and len(place.running) < self._concurrency:
            self._with_room[place] = None
        else:
            self._with_room.pop(place, None)

    def _call(self, place: _Place[Task, Result], job: _Job[Task] | None, call: asyncio.Future[Any]) -> None:
        self._calls[call] = _Call(place, job, place.losses)
        call.add_done_callback(self._ended.put_nowait)

    async def _next_ended(self) -> list[asyncio.Future[Any]]:
        """The calls that have ended, at least one. What it takes does not grow with those that run.

        Raises:
            PhaseError: there is nothing to wait for any more.
        """
        if all(place.gone for place in self._places):
            raise PhaseError(f"no worker is left of {len(self._places)}: {_RESUME}")
        try:
            async with asyncio.timeout(self._patience()):
                ended = [await self._ended.get()]
        except TimeoutError:
            raise PhaseError(f"no worker has answered for {self._grace:g} seconds: {_RESUME}") from None
        while not self._ended.empty():
            ended.append(self._ended.get_nowait())
        return ended

    def _patience(self) -> float | None:
        """How long to wait yet, in seconds; None while a worker answers."""
        if any(place.answers for place in self._places):
            self._silent_since = None
            return None
        now = asyncio.get_running_loop().time()
        if self._silent_since is None:
            self._silent_since = now
        return max(0.0, self._silent_since + self._grace - now)

    def _came_back(self, call: _Call[Task, Result], ended: asyncio.Future[Any]) -> None:
        place = call.place
        place.asked = False
        reason = ended.exception()
        if isinstance(reason, WorkerGoneError):
            place.gone = True
            self._note(f"{place.worker.name} does not come back: {reason}")
            return
        ended.result()
        place.answers = True
        self._look_for_room(place)
        if place.losses:
            self._note(f"{place.worker.name} is back")

    def _lose(self, call: _Call[Task, Result], job: _Job[Task], reason: str) -> None:
        """Count a job as lost, and its worker, unless it was lost before and is back already."""
        place = call.place
        if place.answers and call.losses == place.losses:
            count = len(place.running)
            which = "its search goes" if count == 1 else f"its {count} searches go"
            self._note(f"{place.worker.name} is lost ({reason}): {which} to other workers")
            place.answers = False
            place.losses += 1
        self._leave(call, job)
        job.losses += 1

    def _leave(self, call: _Call[Task, Result], job: _Job[Task]) -> None:
        call.place.running.discard(job)
        if not call.place.running:
            call.place.alone = False
        self._look_for_room(call.place)

    async def _drop_calls(self) -> None:
        """Wait for nothing any more."""
        calls, self._calls = self._calls, {}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for place in self._places:
            # What it was doing goes on, until it is asked to come back.
            place.answers = place.answers and not place.running
            place.running.clear()
            place.alone = place.asked = False
            self._look_for_room(place)
        self._silent_since = None


def _state(place: _Place[Any, Any]) -> str:
    if place.gone or place.answers:
        return "gone" if place.gone else "working"
    return "lost" if place.losses else "starting"


def _blame(reason: str) -> str:
    return f"{KILLS} workers were lost while they ran this search, the last one with: {reason}"


_RESUME: Final = "see to the cluster and start the run again; what is finished is stored"
