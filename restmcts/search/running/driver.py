"""Runs searches: answers the requests of the methods from a policy and a value model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace

from restmcts.errors import EngineError
from restmcts.problems.problem import Problem
from restmcts.search.moves import Outcome
from restmcts.search.recorder import Recorder
from restmcts.search.running.session import Session
from restmcts.search.running.task import Conditions, Engines, SearchTask
from store.answering.rules import RULES
from store.events import FREE, Result, SearchRecord, Stopped, Verified
from store.tree import fold

Grade = Callable[[Problem, Sequence[str]], Sequence[bool | None]]
"""Compares answers with the oracle answer of a problem; None where no verdict could be reached."""


async def run_search(task: SearchTask, engines: Engines) -> SearchRecord:
    """Run one search to its end, within its budget.

    A failure of an engine ends this search with the reason ``failed``; it is recorded, not raised.
    """
    started = time.perf_counter()
    session = Session(task, engines)
    try:
        outcome = await session.play()
        stopped = _answered(session, outcome)
    except EngineError as error:
        stopped = Stopped("failed", message=str(error))
    finally:
        await session.close()
    session.finish(stopped)
    return session.record(time.perf_counter() - started)


def _answered(session: Session, outcome: Outcome) -> Stopped:
    """The last event: the answer of the node that the method chose, or by its answer rule."""
    tree, settings = session.recorder.tree, session.task.settings
    if outcome.node is not None:
        return Stopped(outcome.reason, outcome.node, tree.nodes[outcome.node].answer)
    found = RULES[settings.answer_by].run(tree, settings.answer_constants())
    if found is None:
        return Stopped(outcome.reason)
    return Stopped(outcome.reason, node=found.node, answer=found.text)


def failed_search(task: SearchTask, known: Conditions, message: str) -> SearchRecord:
    """The record of a search that fails before it begins, for the reason ``message``."""
    recorder = Recorder()
    recorder.emit(Stopped("failed", message=message))
    return task.with_constants(known).record(known, recorder, 0.0)


async def run_searches(
    tasks: Iterable[SearchTask], engines: Engines, concurrency: int, grade: Grade | None = None
) -> AsyncGenerator[SearchRecord]:
    """Run up to ``concurrency`` searches at a time; yields each as it ends.

    With ``grade``, records come verified. It runs in threads, so that searches go on while others are graded.
    """

    async def run(task: SearchTask) -> SearchRecord:
        record = await run_search(task, engines)
        return record if grade is None else await asyncio.to_thread(verified, record, task.problem, grade)

    waiting = iter(tasks)
    running: set[asyncio.Task[SearchRecord]] = set()
    try:
        while True:
            for task in waiting:
                running.add(asyncio.ensure_future(run(task)))
                if len(running) >= concurrency:
                    break
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                yield finished.result()
    finally:
        for unfinished in running:
            unfinished.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def failed(record: SearchRecord, message: str) -> SearchRecord:
    """The record of the same search as one that failed, without what it made and took."""
    stopped = Stopped("failed", message=message)
    seconds = record.result.seconds
    result = Result(
        answer=None, correct=None, reason="failed", cost=FREE, nodes=1, finished=0, seconds=seconds
    )
    return replace(record, events=(stopped,), result=result)


def verified(record: SearchRecord, problem: Problem, grade: Grade) -> SearchRecord:
    """The record with a verdict on every finished node and on the answer, graded by the oracle answer.

    Where the grader reaches no verdict on an answer, its nodes are unverified, neither right nor wrong. A
    finished node without an answer is wrong. A record without an oracle answer comes back unchanged.
    """
    if problem.answer is None:
        return record
    nodes = fold(record.events).finished()
    distinct = sorted({node.answer for node in nodes if node.answer is not None})
    verdicts = dict(zip(distinct, grade(problem, distinct), strict=True))
    by_node = {node.id: verdicts.get(node.answer or "", False) for node in nodes}
    reached = {node: verdict for node, verdict in by_node.items() if verdict is not None}
    unverified = tuple(node for node in by_node if node not in reached)
    event = Verified(tuple(reached), tuple(reached.values()), unverified)
    result = replace(record.result, correct=verdicts.get(record.result.answer or "", False))
    return replace(record, events=(*record.events, event), result=result)
