"""Searches on a Ray cluster: the side of the run, which alone writes the store."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, Final

from restmcts.engines.base import Sampling
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError, PhaseError
from restmcts.grading.registry import Grader
from restmcts.problems.problem import Problem
from restmcts.search.running.driver import failed_search, verified
from restmcts.search.running.task import Conditions, SearchTask
from restmcts.search.running.task_json import encode_problems, encode_task
from restmcts.workers.base import Ended, Models
from restmcts.workers.cluster.actor import SearchWorker
from restmcts.workers.cluster.connection import amounts, available, check_room, connect, needs
from restmcts.workers.cluster.figures import figures_of
from restmcts.workers.cluster.folders import read_blocks
from restmcts.workers.cluster.messages import NotReadyError, read_reply
from restmcts.workers.cluster.plan import Plan, make_plan
from restmcts.workers.cluster.pool import Pool, WorkerGoneError, WorkerLostError
from restmcts.workers.cluster.settings import ClusterSettings
from restmcts.workers.local import conditions
from store.encoding.searches import decode_search
from store.events import Header, SearchRecord
from store.records import WorkerFigures

LOOK_AGAIN: Final = (0.2, 5.0)
"""How long to wait before a worker that was lost is asked again, in seconds: at first, and at most."""

CLOSE_SECONDS: Final = 20.0
HURRY_SECONDS: Final = 3.0
"""How long workers may take to end in order: at the end of a phase, and where something has gone wrong."""

PROBLEMS_AT_ONCE: Final = 1000
"""So many problems are sent at once to be measured."""

_NOW: Final = frozenset({"running", "waiting"})
"""Figures of engines that say how it is at this moment; the others count up."""


class Actor:
    """The process of one worker, which Ray starts again where it is lost; see :class:`.pool.Worker`.

    Attributes:
        name: the number of the worker, and where it is.
        node: the address of its node.
        stats: what its engines have counted, by incarnation.
        remarks: what they have said and nobody has asked for yet.
    """

    def __init__(self, handle: Any, number: int, plan: bytes, blocks: Sequence[Any]) -> None:
        self.handle = handle
        self.name = f"worker {number}"
        self.stats: dict[str, dict[str, float]] = {}
        self.remarks: list[str] = []
        self._number = number
        self._plan = plan
        self._blocks = blocks
        self.node = "?"
        self._incarnation = ""

    async def place(self) -> None:
        """Return when the worker has a place in the cluster, also where it is lost there at once."""
        from ray.exceptions import ActorUnavailableError

        while True:
            try:
                self._placed(await self.handle.place.remote())
                return
            except ActorUnavailableError:
                await asyncio.sleep(LOOK_AGAIN[0])

    async def open(self) -> None:
        """Let the worker open its models, or drop what it does.

        Raises:
            InputError: it cannot: other versions, no such folder, another content, no such engine.
        """
        values = self._placed(await self.handle.open.remote(self._plan, self._blocks))
        self._incarnation = values["incarnation"]

    def _placed(self, data: bytes) -> dict[str, Any]:
        values, _ = read_reply(data, self.node)
        self.node = values["node"]
        self.name = f"worker {self._number} on {self.node}"
        return values

    async def do(self, task: SearchTask) -> Ended:
        """The verified record of a search, with its line."""
        told, line = await self._reply(self.handle.search.remote(encode_task(task)))
        self.stats[told["incarnation"]] = told["stats"]
        self.remarks += told["remarks"]
        return Ended(decode_search(line, f"a search of {self.name}"), line)

    async def too_long(self, problems: bytes) -> dict[str, str]:
        """Why problems leave no room for a solution, by their ids."""
        told, _ = await self._reply(self.handle.too_long.remote(problems))
        found: dict[str, str] = told["too_long"]
        return found

    async def _reply(self, data: Awaitable[bytes]) -> tuple[dict[str, Any], bytes]:
        """What a worker that has its models open replies.

        Raises:
            WorkerLostError: it is lost, or was lost before, and knows no models any more.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            return read_reply(await data, self.node)
        except RayTaskError:
            raise  # a defect of the program, which another worker has too
        except (RayError, NotReadyError) as error:
            raise WorkerLostError(reason(error)) from None

    async def come_back(self) -> None:
        """Ask the worker until it is there, with its models opened."""
        from ray.exceptions import ActorDiedError, RayError, RayTaskError

        pause, longest = LOOK_AGAIN
        while True:
            try:
                await self.open()
                return
            except RayTaskError:
                raise
            except ActorDiedError as error:
                raise WorkerGoneError(reason(error)) from None
            except RayError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    def totals(self) -> Counter[str]:
        """What the engines have counted, those of earlier incarnations included."""
        total: Counter[str] = Counter()
        for incarnation, figures in self.stats.items():
            for name, figure in figures.items():
                if incarnation == self._incarnation or name.rpartition(".")[2] not in _NOW:
                    total[name] += figure  # type: ignore[assignment]
        return total


class _Measuring:
    """A worker that is asked which problems are too long; see :class:`.pool.Worker`."""

    def __init__(self, actor: Actor) -> None:
        self.name = actor.name
        self.do = actor.too_long
        self.come_back = actor.come_back


class RayWorkers:
    """Workers of a cluster, ready to search; :func:`open_ray_workers` opens and closes them.

    Args:
        actors: the workers.
        known: what records say about their models.
        grader: gives the verdicts on searches that fail here.
        concurrency: searches that run at the same time in each worker.
        grace: see :class:`restmcts.workers.cluster.pool.Pool`.
        note: is told what the user should know, in one line.
    """

    def __init__(
        self,
        actors: Sequence[Actor],
        known: Conditions,
        grader: Grader,
        concurrency: int,
        grace: float,
        note: Callable[[str], None],
    ) -> None:
        self._actors = actors
        self._known = known
        self._grader = grader
        self._grace = grace
        self._note = note
        self._pool: Pool[SearchTask, Ended] = Pool(actors, concurrency, grace=grace, note=note)
        self._said: set[str] = set()
        self._opened = time.monotonic()

    @property
    def models(self) -> Models:
        """The names that stored searches have for the models."""
        return Models(self._known.policy, self._known.value)

    def too_long(self, problems: Sequence[Problem]) -> dict[str, str]:
        """Why problems leave no room for a solution; the workers share them.

        Raises:
            InputError: a value model refuses a problem.
            PhaseError: no worker answers.
        """
        return asyncio.run(self._too_long(problems))

    async def _too_long(self, problems: Sequence[Problem]) -> dict[str, str]:
        starts = range(0, len(problems), PROBLEMS_AT_ONCE)
        parts = (encode_problems(problems[first : first + PROBLEMS_AT_ONCE]) for first in starts)
        measuring = [_Measuring(actor) for actor in self._actors]
        pool: Pool[bytes, dict[str, str]] = Pool(measuring, 1, grace=self._grace, note=self._note)
        found: dict[str, str] = {}
        async with aclosing(pool.run(parts, _unmeasured)) as replies:
            async for reply in replies:
                found |= reply
        return found

    def header(self, task: SearchTask) -> Header:
        """What the record of a search would begin with."""
        return task.with_constants(self._known).header(self._known)

    def failed(self, task: SearchTask, message: str) -> SearchRecord:
        """The verified record of a search that fails before it begins."""
        return verified(failed_search(task, self._known, message), task.problem, self._grader.grade)

    async def search(self, tasks: Iterable[SearchTask]) -> AsyncGenerator[Ended]:
        """Run the searches; yields each as it ends.

        Raises:
            PhaseError: no worker is left.
        """
        async with aclosing(self._pool.run(tasks, self._given_up)) as searches:
            async for ended in searches:
                yield ended

    def _given_up(self, task: SearchTask, message: str) -> Ended:
        return Ended(self.failed(task, message))

    def stats(self) -> dict[str, float]:
        """The counts of the engines, summed over all workers, and how many of these answer."""
        total: Counter[str] = Counter()
        for actor in self._actors:
            total.update(actor.totals())
        return {**total, "workers": float(self._pool.answering)}

    def figures(self) -> list[WorkerFigures]:
        """What each worker has done since they were opened."""
        seconds = time.monotonic() - self._opened
        rows = enumerate(zip(self._actors, self._pool.standings(), strict=True), 1)
        return [
            figures_of(actor.node, number, stands, actor.totals(), seconds)
            for number, (actor, stands) in rows
        ]

    def remarks(self) -> list[str]:
        """What the engines have seen that whoever runs them should know; each is said once."""
        found = []
        for actor in self._actors:
            found += [remark for remark in dict.fromkeys(actor.remarks) if remark not in self._said]
            self._said.update(actor.remarks)
            actor.remarks = []
        return found


@contextmanager
def open_ray_workers(
    models: Models,
    folder: Callable[[str], Path],
    settings: ModelSettings,
    grader: Grader,
    sampling: Sampling,
    *,
    drop_repeats: bool,
    concurrency: int,
    grader_name: str,
    cluster: ClusterSettings,
    note: Callable[[str], None],
) -> Iterator[RayWorkers]:
    """Let workers of a cluster open the models, and end the workers at the end.

    Args:
        folder: gives the folder of a model by its name.
        drop_repeats: drop a step that repeats an earlier one of its partial solution.
        concurrency: searches that run at the same time in each worker, where ``cluster`` says nothing.
        grader_name: the name of the grader that workers open.
        note: is told what the user should know, in one line.

    Raises:
        InputError: there is no such cluster, it is too small, or a worker cannot open the models.
    """
    connect(cluster.address)
    check_room(cluster)
    known = conditions(models, folder, settings, sampling, drop_repeats=drop_repeats)
    concurrency = cluster.concurrency or concurrency
    plan = make_plan(
        models,
        folder,
        settings,
        grader_name,
        sampling,
        drop_repeats=drop_repeats,
        concurrency=concurrency,
        sent=cluster.weights == "object-store",
    )
    actors = _start(plan, cluster)
    seconds = HURRY_SECONDS
    try:
        asyncio.run(_ready(actors, cluster, note))
        yield RayWorkers(actors, known, grader, concurrency, cluster.grace, note)
        seconds = CLOSE_SECONDS
    finally:
        _end(actors, seconds)


def _start(plan: Plan, cluster: ClusterSettings) -> list[Actor]:
    """Ask Ray for the workers."""
    import ray

    blocks = (
        [ray.put(block) for folder in plan.all_folders for block in read_blocks(folder)] if plan.sent else []
    )
    about = plan.to_json()
    wanted = needs(cluster)
    options = {
        "num_cpus": wanted.pop("CPU", 0),
        "num_gpus": wanted.pop("GPU", 0),
        "resources": wanted,
        "max_restarts": cluster.restarts,
        "max_task_retries": 0,
        "max_concurrency": plan.concurrency + 8,
        "runtime_env": _environment(cluster),
    }
    made = ray.remote(SearchWorker).options(**options)
    numbers = range(1, cluster.workers + 1)
    return [Actor(made.remote(number), number, about, blocks) for number in numbers]


def _environment(cluster: ClusterSettings) -> dict[str, Any]:
    found: dict[str, Any] = {"env_vars": dict(cluster.environment)}
    if cluster.working_directory is not None:
        found["working_dir"] = cluster.working_directory
    return found


async def _ready(actors: Sequence[Actor], cluster: ClusterSettings, note: Callable[[str], None]) -> None:
    """Return when all workers have opened their models; those that are lost meanwhile are left to the pool.

    Raises:
        InputError: one has no place, or cannot open them.
    """
    from ray.exceptions import RayError

    try:
        async with asyncio.timeout(cluster.grace):
            await asyncio.gather(*(actor.place() for actor in actors))
    except TimeoutError:
        check_room(cluster)  # a node may have gone meanwhile
        raise InputError(
            f"cluster.workers = {cluster.workers}, each with {amounts(needs(cluster))}: some got no place in"
            f" {cluster.grace:g} seconds (cluster.grace); free at this moment: {amounts(available())}"
        ) from None
    except RayError as error:
        raise InputError(f"a worker cannot start: {reason(error)}") from error
    await asyncio.gather(*(_open(actor, note) for actor in actors))


async def _open(actor: Actor, note: Callable[[str], None]) -> None:
    from ray.exceptions import RayError, RayTaskError

    try:
        await actor.open()
    except RayTaskError:
        raise
    except RayError as error:
        note(f"{actor.name} is lost ({reason(error)}) while it opens the models: it is asked again")


def _end(actors: Sequence[Actor], seconds: float) -> None:
    """Let the workers give back what they have, within so many seconds, and end them."""
    import ray

    closed = [actor.handle.close.remote() for actor in actors]
    ray.wait(closed, num_returns=len(closed), timeout=seconds)
    for actor in actors:
        ray.kill(actor.handle)


def _unmeasured(problems: bytes, why: str) -> dict[str, str]:
    raise PhaseError(f"cannot tell which problems are too long: {why}")


def reason(error: BaseException) -> str:
    """Why a worker is lost, in one line, from what Ray says in many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "exit detail" in line or "Error:" in line or "died" in line]
    text = (telling or lines or [type(error).__name__])[-1]
    return text if len(text) <= 300 else f"{text[:299]}…"
