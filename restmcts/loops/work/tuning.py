"""The phase that chooses the sampling temperature of an iteration (B-STaR, arXiv 2412.17256)."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

from restmcts.errors import InputError
from restmcts.loops.results import Tuned
from restmcts.loops.run import Run
from restmcts.loops.work.searching import drawn_problems, run_tasks, search_tasks
from restmcts.search.choice import GenerationSettings
from restmcts.search.registry import method_settings
from restmcts.search.running.task import SearchTask
from restmcts.workers.base import Models
from store.tree import Tree, fold

METHOD = "self-consistency"


def tuned_temperature(run: Run, phase: str, policy: str, generation: GenerationSettings) -> Tuned:
    """Sample traces of a few training problems at each temperature, and take the one of the best balance.

    Of equal balances the lowest temperature is taken. Every temperature has the same problems and seeds.

    Raises:
        InputError: what remains of ``generation.tokens`` would pay for no search.
    """
    temperatures = sorted(set(generation.temperatures))
    problems = drawn_problems(run, phase, generation.tuning_problems)
    settings = method_settings(
        METHOD, {"samples": generation.tuning_traces, "early_stop": False}, "generation.tuning_traces"
    )
    _check_rest(run, generation, len(temperatures) * len(problems))
    tasks: list[SearchTask] = []
    of_task: dict[str, float] = {}
    for temperature in temperatures:
        new = search_tasks(
            run, phase, problems, METHOD, settings, first_number=len(tasks), temperature=temperature
        )
        of_task |= dict.fromkeys((task.id for task in new), temperature)
        tasks += new
    with run.workers(Models(policy)) as workers:
        searched = run_tasks(run, phase, tasks, workers)
    balances: dict[float, list[float]] = defaultdict(list)
    for record in run.writer.read_trees(phase):
        found = balance(fold(record.events), generation.tuning_traces, run.recipe.selection.top)
        balances[of_task[record.header.id]].append(found)
    means = {temperature: fmean(balances[temperature]) for temperature in temperatures}
    best = max(temperatures, key=lambda temperature: (means[temperature], -temperature))
    run.progress.note(f"{phase}: temperature {best:g}, with a balance of {means[best]:.3f}")
    named = {f"{temperature:g}": mean for temperature, mean in means.items()}
    return Tuned(**vars(searched), temperature=best, balance=named)


def balance(tree: Tree, samples: int, wanted: int) -> float:
    """How much a problem offers to learn from: min(d / ``wanted``, 1) · r / ``samples``.

    d is the number of distinct right traces, of which ``wanted`` are learned from, and r counts the samples
    that are right. So both too few different traces and too many wrong ones cost. B-STaR's balance score is
    this with the traces that a reward model lets through in place of all samples.
    """
    right = [node for node in tree.finished() if node.correct]
    distinct = len({tree.text(node.id) for node in right})
    return min(distinct / wanted, 1.0) * sum(max(1, node.samples) for node in right) / samples


def _check_rest(run: Run, generation: GenerationSettings, searches: int) -> None:
    """Refuse a tuning after which no token might be left to search with."""
    trace = run.recipe.sampling.trace_tokens
    budget = generation.budget_within(trace)
    most = searches * generation.tuning_traces * trace
    if generation.tokens is not None and budget is not None and generation.tokens - most < budget:
        raise InputError(
            f"generation.tokens = {generation.tokens}: trying the temperatures may take {most} of them, and"
            f" one search {budget}: raise them, or lower generation.tuning_problems or tuning_traces"
        )
