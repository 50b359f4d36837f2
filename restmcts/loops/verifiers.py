"""Verifiers side by side: what they learn from, how they are trained and what they choose (paper, Table 4).

base policy  -> traces of training problems, and completions of steps for as many tokens
verifiers    -> each labels trees by its rule; all are trained alike, from one start
comparison   -> traces of validation and test problems, sampled once: every verifier values these same traces
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from pydantic import Field, field_validator

from restmcts.aggregations import Aggregation
from restmcts.errors import InputError
from restmcts.labels import LABEL_RULES
from restmcts.loops import phases, value_phases
from restmcts.loops.registry import Loop
from restmcts.loops.results import Evaluated, Searched, Trained
from restmcts.loops.run import Run
from restmcts.loops.work.searching import run_tasks, search_tasks
from restmcts.loops.work.training import record_checkpoint, tune_value
from restmcts.loops.work.verifier_table import RANKINGS, VOTE, Candidate, verifier_table
from restmcts.problems.problem import Problem
from restmcts.recipe import RuleChoice
from restmcts.search.registry import method_settings
from restmcts.search.running.revaluing import revaluing_task
from restmcts.settings import Settings, checked
from restmcts.training.settings import ValueTraining
from restmcts.workers.base import Models


class Verifier(Settings):
    """A verifier: what it learns from, and how its values are read."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="name of the verifier in the results")
    trees: Literal["bootstrap", "completions"] = Field(
        default="bootstrap",
        description=(
            "the trees that it learns from: independent traces (`bootstrap`), or solutions whose steps are"
            " completed (`completions`)"
        ),
    )
    labels: RuleChoice = Field(description="label rule (`rule`) with its settings (`settings`)")
    value_aggregation: Aggregation = Field(
        default="last", description="how the value of a partial solution follows from those of its steps"
    )
    value_training: dict[str, Any] = Field(
        default_factory=dict, description="keys of `value_training` that differ for this verifier"
    )

    @field_validator("value_training")
    @classmethod
    def _known(cls, values: dict[str, Any]) -> dict[str, Any]:
        try:
            return checked(ValueTraining, values, "value_training").model_dump(exclude_unset=True)
        except InputError as error:
            raise ValueError(str(error)) from None


class Verifiers(Settings):
    """The settings of the comparison of verifiers."""

    completions: int = Field(
        default=8, ge=1, description="completions sampled from each step of a solution (N)"
    )
    samples: int = Field(
        default=32,
        ge=2,
        description="traces of each validation and test problem, among which verifiers choose",
    )
    verifiers: list[Verifier] = Field(min_length=1, description="the verifiers to compare")

    @field_validator("verifiers")
    @classmethod
    def _different(cls, verifiers: list[Verifier]) -> list[Verifier]:
        names = [verifier.name for verifier in verifiers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two verifiers are called {twice[0]!r}: give each a name of its own")
        for verifier in verifiers:
            if verifier.name in LABEL_RULES and verifier.labels.rule != verifier.name:
                raise ValueError(f"{verifier.name!r} is another label rule: labels are stored by this name")
        return verifiers


def verifiers(run: Run, settings: Verifiers) -> Evaluated:
    """Train all verifiers alike, and let them choose among the same traces of test problems.

    Raises:
        InputError: there are no validation problems or no test problems.
    """
    if not (run.problems.validation and run.problems.test):
        raise InputError("problems.validation and problems.test are needed: verifiers are compared on them")
    policy = phases.base_policy(run)
    phases.validate(run, policy)
    trees = {"bootstrap": phases.bootstrap(run, policy)}
    if any(verifier.trees == "completions" for verifier in settings.verifiers):
        trees["completions"] = complete_steps(run, policy, trees["bootstrap"], settings)
    start, start_tokens = run.recipe.models.value_name or policy, 0
    if run.recipe.bootstrap.perturbed:
        start = value_phases.start_value_model(run, trees["bootstrap"], policy).checkpoint
        start_tokens = trees["bootstrap"].policy_tokens
    learned = [train_verifier(run, each, trees[each.trees], start) for each in settings.verifiers]
    splits = {"validation": run.problems.validation, "test": phases.test_problems(run)}
    sampled = {name: sample(run, name, problems, policy, settings) for name, problems in splits.items()}
    candidates = [
        Candidate(
            name=verifier.name,
            tokens=trees[verifier.trees].policy_tokens,
            start_tokens=start_tokens,
            validation=revalue(run, verifier, Models(policy, model), sampled["validation"], "validation"),
            test=revalue(run, verifier, Models(policy, model), sampled["test"], "test"),
        )
        for verifier, model in zip(settings.verifiers, learned, strict=True)
    ]
    table = partial(verifier_table, run, sampled=sampled["test"], candidates=candidates)
    return run.phase("final.evaluate", "evaluate", 0, Evaluated, table)


def complete_steps(run: Run, policy: str, searched: Searched, settings: Verifiers) -> Searched:
    """Sample solutions of the same problems with completions of their steps, for as many tokens."""
    wanted = {"traces": 0, "completions": settings.completions}
    problems = run.problems.train[: run.recipe.bootstrap.problems]
    budget = max(1, searched.policy_tokens // searched.trees)
    return _sampled(run, "0.complete-steps", policy, problems, "step-completions", wanted, budget)


def sample(run: Run, name: str, problems: Sequence[Problem], policy: str, settings: Verifiers) -> Searched:
    """Sample traces of each problem, unguided and without values: all verifiers choose among these."""
    wanted = {"samples": settings.samples}
    return _sampled(run, f"{name}.sample", policy, problems, "self-consistency", wanted, kind="evaluate")


def _sampled(
    run: Run,
    name: str,
    policy: str,
    problems: Sequence[Problem],
    method: str,
    wanted: Mapping[str, int],
    budget: int | None = None,
    *,
    kind: str = "search",
) -> Searched:
    """The phase ``name``: an unguided search of each problem, with the settings ``wanted`` of the method."""
    settings = method_settings(method, {**wanted, "early_stop": False}, name)

    def work(phase: str) -> Searched:
        tasks = search_tasks(run, phase, problems, method, settings, budget=budget)
        with run.workers(Models(policy)) as workers:
            return run_tasks(run, phase, tasks, workers)

    return run.phase(name, kind, 0, Searched, work)


def train_verifier(run: Run, verifier: Verifier, searched: Searched, start: str) -> str:
    """Label the trees of a verifier and train it; returns its checkpoint."""
    labelled = phases.label(run, 0, searched, verifier.labels, verifier.name).labels
    training = run.recipe.value_training.model_copy(update=verifier.value_training)

    def work(phase: str) -> Trained:
        samples, role = run.value_samples(labelled.phase), f"verifier-{verifier.name}"
        trained = tune_value(run, phase, 0, samples, start, settings=training, role=role)
        record_checkpoint(run, 0, role, trained, carried=True)
        return trained

    return run.phase(f"0.train-{verifier.name}", "train", 0, Trained, work).checkpoint


def revalue(run: Run, verifier: Verifier, models: Models, sampled: Searched, split: str) -> Searched:
    """Let a verifier value the traces that were sampled, at the end of every step."""
    problems = {problem.id: problem for problem in getattr(run.problems, split)}

    def work(phase: str) -> Searched:
        tasks = [
            revaluing_task(record, problems[record.header.problem], phase, (VOTE, *RANKINGS))
            for record in run.writer.read_trees(sampled.phase)
        ]
        with run.workers(models, verifier.value_aggregation) as workers:
            # Nothing was generated: the traces were paid for when they were sampled.
            return replace(run_tasks(run, phase, tasks, workers), policy_tokens=0)

    return run.phase(f"{split}.value-{verifier.name}", "evaluate", 0, Searched, work)


VERIFIERS = Loop(
    verifiers, "verifiers by several label rules, trained alike, choose among the same traces", Verifiers
)
