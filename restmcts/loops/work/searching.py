"""A phase that searches one tree for each of many problems."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from random import Random

from restmcts.engines.registry import ENGINES
from restmcts.errors import InputError, PhaseError
from restmcts.evaluation.data_figures import data_figures
from restmcts.grading.registry import GRADERS
from restmcts.labels import any_correct
from restmcts.loops.results import Searched
from restmcts.loops.run import Run
from restmcts.loops.work.forecast import Stand
from restmcts.loops.work.tally import Tally, charge
from restmcts.loops.work.waves import waves
from restmcts.problems.problem import Problem
from restmcts.search.choice import GenerationSettings
from restmcts.search.registry import METHODS
from restmcts.search.running.driver import failed
from restmcts.search.running.task import SearchTask
from restmcts.search.settings import NO_LIMITS, Limits, Method
from restmcts.workers.base import Workers
from store.errors import UnstorableError
from store.events import SearchRecord, Stopped, Verified
from store.records import Metric
from store.tree import fold

ENGINE_METRICS = "engine."
"""How the names of metrics begin that say how busy engines were; times, which differ between equal runs."""

GIVE_UP_AFTER = 20
"""Failed searches one after the other, after which an engine counts as out of order."""

TELL_SECONDS = 2.0
"""How often the progress is told at least."""

SYNC_SECONDS = 1.0
"""How often the index catches up while trees are being written, for those who watch."""


def search_tasks(
    run: Run,
    phase: str,
    problems: Sequence[Problem],
    method: str,
    settings: Method,
    *,
    budget: int | None = None,
    limits: Limits = NO_LIMITS,
    first_number: int = 0,
    stride: int = 1,
    temperature: float | None = None,
    seeds_of: str | None = None,
) -> list[SearchTask]:
    """One search a problem; its seed depends on the recipe's seed, the method and the problem alone.

    Args:
        budget: generated tokens of a search.
        limits: its further limits.
        seeds_of: what seeds are made from besides; None: the name of the phase. Phases with the same one
            search alike.
        first_number: the number of the first search.
        stride: how far the numbers of searches that follow each other are apart.
        temperature: the sampling temperature; None: the recipe's.
    """
    return [
        SearchTask(
            problem=problem,
            method=method,
            settings=settings,
            seed=run.seed(seeds_of or phase, method, problem.id),
            budget=budget,
            phase=phase,
            number=first_number + stride * place,
            temperature=temperature,
            limits=limits,
        )
        for place, problem in enumerate(problems)
    ]


def sampled_traces(
    generation: GenerationSettings, samples: int, tokens: int | None = None
) -> GenerationSettings:
    """The generation of a recipe for a loop that samples ``samples`` whole traces of each problem.

    ``tokens``: those of the iteration, where they are not those of ``generation``.
    """
    known = generation.model_dump()
    known |= {"method": "self-consistency", "settings": {"samples": samples, "early_stop": False}}
    known |= {"budget": None, "tokens": generation.tokens if tokens is None else tokens}
    return GenerationSettings.model_validate(known)


def drawn_problems(run: Run, phase: str, count: int | None, *, shuffled: bool = False) -> list[Problem]:
    """``count`` training problems in a random order (None: all); the seed is that of the phase.

    All of them keep the order of the data set, unless they are to be ``shuffled``.
    """
    problems = run.problems.train
    if shuffled or (count is not None and count < len(problems)):
        wanted = len(problems) if count is None else min(count, len(problems))
        return Random(run.seed(phase, "problems")).sample(problems, wanted)
    return list(problems)


def note_data(run: Run, phase: str, iteration: int) -> None:
    """Store what the trees of a search phase offer to learn from, see :func:`data_figures`."""
    records = (record for record in run.writer.read_trees(phase) if record.result.reason != "failed")
    trees = (fold(record.events) for record in records if record.header.oracle is not None)
    for name, figure in data_figures(trees, any_correct).items():
        run.writer.add_metric(Metric("", phase, iteration, name, figure))


Parts = Callable[[Sequence[SearchTask], Callable[[SearchTask], int]], Iterable[Sequence[SearchTask]]]
"""Splits searches into parts, each of which ends before the next one begins.

It gets the searches and a function that says what a search that has ended took
(:func:`restmcts.loops.work.tally.charge`). A search may come with another budget than it was given.
"""


def run_tasks(
    run: Run,
    phase: str,
    tasks: Sequence[SearchTask],
    workers: Workers,
    tokens: int | None = None,
    parts: Parts | None = None,
) -> Searched:
    """Run the searches that are not finished yet, grade and store each, and seal the file.

    Args:
        tokens: what the searches may generate together; as many of the first ones are run as it pays for
            (:func:`restmcts.loops.work.waves.waves`), each of which has a budget. None: all are run.
        parts: splits the searches, instead of ``tokens``.

    Raises:
        PhaseError: every search failed, or ``GIVE_UP_AFTER`` one after the other did; when the phase is
            started again, they are run once more.
        InputError: every problem is too long for a model; or the phase holds other searches already.
    """
    finished = run.writer.finished_trees(phase)
    _check_numbers(phase, finished, tasks)
    too_long = _too_long(run, phase, tasks, workers)
    run.note_uses(phase, ENGINES, {run.recipe.models.engine, run.recipe.models.valued_by})
    run.note_uses(phase, GRADERS, [run.recipe.problems.grader])
    run.note_uses(phase, METHODS, {task.method for task in tasks})
    run.progress.start(phase, "search", len(tasks) if tokens is None else tokens)
    for task in tasks:
        if task.problem.id in too_long and task.id not in finished:
            run.writer.add_tree(workers.failed(task, too_long[task.problem.id]))
    possible = [task for task in tasks if task.problem.id not in too_long]
    tally = Tally(len(run.writer.finished_trees(phase)), workers, by_tokens=tokens is not None)
    if tokens is not None or parts is not None:
        tally.take({record.header.id: charge(record) for record in run.writer.read_trees(phase)})

    def taken(task: SearchTask) -> int:
        return tally.taken[task.id]

    wanted = parts(possible, taken) if parts else waves(possible, most_tokens(possible), tokens, taken)
    waiting = ([task for task in wave if task.id not in finished] for wave in wanted)
    new = {task.id: task for task in possible if task.id not in finished}
    try:
        asyncio.run(_search(run, waiting, workers, tally, new, tokens))
    finally:
        run.writer.sync_index()
        if run.preview is not None:
            run.preview.searched += tally.seconds
    if tokens is not None and tally.done == len(tasks):
        run.progress.note(f"{phase}: all {len(tasks)} problems are searched, and tokens may be left")
    run.writer.seal_trees(phase)
    for name, figure in (tally.engine_use() | tally.use_of_workers()).items():
        run.writer.add_metric(Metric("", phase, None, f"{ENGINE_METRICS}{name}", figure))
    for remark in workers.remarks():
        run.progress.note(f"{phase}: {remark}")
    return outcome(run, phase)


def _check_numbers(phase: str, finished: Collection[str], tasks: Sequence[SearchTask]) -> None:
    others = set(finished) - {task.id for task in tasks}
    if others:
        raise InputError(
            f"{phase} holds {len(others)} searches that are not asked for now, such as {min(others)}: give at"
            " least as many problems as before (--limit), or another run"
        )


def _too_long(run: Run, phase: str, tasks: Sequence[SearchTask], workers: Workers) -> dict[str, str]:
    """Why problems leave no room for a solution, by their ids; searches of such problems fail.

    Raises:
        InputError: none leaves room.
    """
    problems = {task.problem.id: task.problem for task in tasks}
    found = workers.too_long(list(problems.values()))
    if found:
        first = next(iter(found.values()))
        if len(found) == len(problems):
            raise InputError(f"{first}: shorten it, leave it out, or take another model")
        run.progress.note(f"{phase}: {len(found)} of {len(problems)} problems are too long and fail: {first}")
    return found


def most_tokens(tasks: Sequence[SearchTask]) -> int:
    """The most tokens that one of the searches may generate, at least 1."""
    return max([1, *(task.budget or 0 for task in tasks)])


async def _search(
    run: Run,
    parts: Iterable[Sequence[SearchTask]],
    workers: Workers,
    tally: Tally,
    waiting: dict[str, SearchTask],
    tokens: int | None,
) -> None:
    """Run the searches of all parts; ``waiting`` are all that may be run, within ``tokens``."""
    loop = asyncio.get_running_loop()
    synced = time.monotonic()
    indexing: asyncio.Future[list[str]] | None = None
    for part in parts:
        async with telling(run, tally), aclosing(workers.search(part)) as searches:
            async for searched in searches:
                record = stored(run, searched.record, searched.line)
                tally.add(record)
                waiting.pop(record.header.id, None)
                run.progress.update(tally.progress, tally.latest())
                if run.preview is not None and run.preview.due(tally.probe, tally.seconds):
                    left = None if tokens is None else tokens - tally.charged
                    done = tally.probe, tally.generated, tally.seconds
                    stand = Stand(run.recipe, run.problems, run.writer.phases())
                    await run.preview.consider(stand, record.header.phase, [*waiting.values()], *done, left)
                if tally.failed_in_a_row == GIVE_UP_AFTER:
                    which = f"{GIVE_UP_AFTER} searches one after the other"
                    raise failure(record.header.phase, which, record)
                at_rest = indexing is None or indexing.done()
                if at_rest and time.monotonic() - synced > SYNC_SECONDS:
                    # In a thread, so that the searches do not wait for the disk or others with the index.
                    indexing = loop.run_in_executor(None, run.writer.sync_index)
                    synced = time.monotonic()


@asynccontextmanager
async def telling(run: Run, tally: Tally) -> AsyncIterator[None]:
    """Tell how far the searches are also while none of them ends."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            run.progress.workers(tally.workers.figures())
            run.progress.update(tally.progress, tally.figures())

    teller = asyncio.create_task(tell())
    try:
        yield
    finally:
        teller.cancel()
        with suppress(asyncio.CancelledError):
            await teller


def stored(run: Run, record: SearchRecord, line: bytes | None = None) -> SearchRecord:
    """Store a search, and return it; one that holds what no file can hold is stored as a failed one.

    Args:
        line: its line, where it is known.

    Raises:
        StoreError: nothing can be written.
    """
    try:
        run.writer.add_tree(record, line)
    except UnstorableError as error:
        record = failed(record, str(error))
        run.writer.add_tree(record)
    return record


def failure(phase: str, which: str, last: SearchRecord) -> PhaseError:
    """The error that ends a phase whose engine is out of order."""
    advice = "mend that and start the run again: failed searches are run once more"
    return PhaseError(f"{phase}: {which} failed, the last one with: {message_of(last)}; {advice}")


def message_of(record: SearchRecord) -> str | None:
    """Why a search failed."""
    return next(event.message for event in record.events if isinstance(event, Stopped))


def outcome(run: Run, phase: str) -> Searched:
    """The outcome of a search phase, from its file, so that it is the same however often it was resumed."""
    trees = graded = solved = failures = finished = tokens = value_tokens = unverified = 0
    lost: SearchRecord | None = None
    for record in run.writer.read_trees(phase):
        trees += 1
        graded += record.result.correct is not None
        solved += record.result.correct is True
        finished += record.result.finished
        tokens += record.result.cost.generated
        value_tokens += record.result.cost.value
        unverified += sum(len(event.unverified) for event in record.events if isinstance(event, Verified))
        if record.result.reason == "failed":
            failures += 1
            lost = record
    if lost is not None and failures == trees:
        raise failure(phase, f"all {trees} searches", lost)
    if lost is not None:
        run.progress.note(f"{phase}: {failures} of {trees} searches failed, one with: {message_of(lost)}")
    if unverified:
        run.progress.note(
            f"{phase}: the grader reached no verdict on {unverified} of {finished} solutions; they count as"
            " neither right nor wrong"
        )
    return Searched(
        trees=trees,
        solved=solved,
        failed=failures,
        answers=finished,
        policy_tokens=tokens,
        value_tokens=value_tokens,
        unverified=unverified,
        graded=graded,
    )
