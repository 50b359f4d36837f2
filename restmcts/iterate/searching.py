"""A phase that searches one tree for each of many problems."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from restmcts.engines.base import Policy, ValueModel
from restmcts.errors import InputError, PhaseError
from restmcts.iterate.context import Context, Summary
from restmcts.problems.base import Problem
from restmcts.search.driver import Engines, SearchTask, run_searches, verified
from restmcts.search.settings import Method
from restmcts.seeds import derive_seed
from store.trace import Header, SearchRecord, Stopped

SYNC_SECONDS = 1.0
"""How often the index catches up while trees are being written, for those who watch."""


def search_tasks(
    context: Context,
    phase: str,
    problems: Sequence[Problem],
    method: str,
    settings: Method,
    engines: Engines,
    *,
    budget: int | None = None,
    first_number: int = 0,
) -> list[SearchTask]:
    """One search a problem; its seed depends on the recipe's seed, the method and the problem alone."""
    tasks = []
    for number, problem in enumerate(problems, start=first_number):
        header = Header(
            id=f"{phase}/{number}",
            phase=phase,
            problem=problem.id,
            question=problem.text,
            oracle=problem.answer,
            method=method,
            answer_by=settings.answer_by,
            seed=derive_seed(context.recipe.seed, phase, method, problem.id),
            policy=engines.policy.name,
            value=None if engines.value is None else engines.value.name,
            budget=budget,
            settings=settings.model_dump(mode="json") | context.recipe.sampling.model_dump(mode="json"),
        )
        tasks.append(SearchTask(header, problem, settings))
    return tasks


def check_lengths(problems: Sequence[Problem], engines: Engines) -> None:
    """Refuse problems that leave no room for a solution, before anything is searched.

    Raises:
        InputError: names the first such problem and the lengths; or a value model refuses a problem.
    """
    models: list[tuple[str, Policy | ValueModel]] = [("policy", engines.policy)]
    if engines.value is not None:
        models.append(("value model", engines.value))
    for kind, model in models:
        for problem in problems:
            length = len(model.prompt(problem.text))
            if length >= model.context:
                raise InputError(
                    f"problem {problem.id!r} is {length} tokens long, but the {kind} {model.name!r} reads"
                    f" {model.context} (bytes, where it is on a server): shorten it, leave it out, or take"
                    " another model"
                )


def run_search_phase(context: Context, phase: str, tasks: Sequence[SearchTask], engines: Engines) -> Summary:
    """Run the searches that are not finished yet, grade and store each, and seal the file.

    Raises:
        PhaseError: every search failed.
        InputError: a problem is too long for a model.
    """
    check_lengths([task.problem for task in tasks], engines)
    finished = context.writer.finished_trees(phase)
    waiting = [task for task in tasks if task.header.id not in finished]
    context.progress.start(phase, "search", len(tasks))
    tally = Tally(done=len(tasks) - len(waiting))
    try:
        asyncio.run(_search(context, waiting, engines, tally))
    finally:
        context.writer.sync_index()
    context.writer.seal_trees(phase)
    return phase_summary(context, phase)


async def _search(context: Context, waiting: Sequence[SearchTask], engines: Engines, tally: Tally) -> None:
    problems = {task.header.id: task.problem for task in waiting}
    synced = time.monotonic()
    async for record in run_searches(waiting, engines, context.recipe.concurrency):
        problem = problems[record.header.id]
        record = await asyncio.to_thread(verified, record, problem, context.grade)
        context.writer.add_tree(record)
        tally.add(record)
        context.progress.update(tally.done, tally.figures())
        if time.monotonic() - synced > SYNC_SECONDS:
            context.writer.sync_index()
            synced = time.monotonic()


class Tally:
    """What has come out so far, for the progress line."""

    def __init__(self, done: int) -> None:
        self.started = time.monotonic()
        self.done = done
        self.graded = 0
        self.correct = 0
        self.tokens = 0

    def add(self, record: SearchRecord) -> None:
        self.done += 1
        self.tokens += record.result.cost.generated
        if record.result.correct is not None:
            self.graded += 1
            self.correct += record.result.correct

    def figures(self) -> dict[str, float | None]:
        seconds = max(1e-9, time.monotonic() - self.started)
        return {
            "accuracy": self.correct / self.graded if self.graded else None,
            "tokens": self.tokens,
            "tokens a second": self.tokens / seconds,
        }


def phase_summary(context: Context, phase: str) -> Summary:
    """The outcome of a search phase, from its file, so that it is the same however often it was resumed."""
    trees = solved = failed = finished = tokens = value_tokens = 0
    message = None
    for record in context.writer.read_trees(phase):
        trees += 1
        solved += record.result.correct is True
        finished += record.result.finished
        tokens += record.result.cost.generated
        value_tokens += record.result.cost.value
        if record.result.reason == "failed":
            failed += 1
            message = next(event.message for event in record.events if isinstance(event, Stopped))
    if trees and failed == trees:
        raise PhaseError(f"{phase}: all {trees} searches failed, the last one with: {message}")
    if failed:
        context.progress.note(f"{phase}: {failed} of {trees} searches failed, one with: {message}")
    return {
        "trees": trees,
        "solved": solved,
        "failed": failed,
        "answers": finished,
        "policy_tokens": tokens,
        "value_tokens": value_tokens,
    }
