"""Phases that train a model and decide whether it is carried on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from restmcts.aggregations import AGGREGATIONS
from restmcts.engines.open import prepare
from restmcts.errors import PhaseError
from restmcts.iterate.context import Context, Summary
from restmcts.iterate.labelling import (
    correct_traces,
    demonstration,
    demonstration_samples,
    verified_trees,
)
from restmcts.labels import any_correct, first_error
from restmcts.problems.problem import Problem
from restmcts.problems.splits import held_out
from restmcts.seeds import derive_seed
from restmcts.training.settings import PolicyTraining, ValueTraining
from store.events import Step
from store.records import Checkpoint, CheckpointKind, Metric, PolicySample, ValueSample

if TYPE_CHECKING:
    from restmcts.evaluation.value_report import Judged
    from restmcts.training.report import TrainingProgress, TrainingReport


class Watch:
    """Passes the progress of a training on, and keeps the loss curve as metrics."""

    def __init__(self, context: Context, phase: str, iteration: int) -> None:
        self.context, self.phase, self.iteration = context, phase, iteration
        self.started = False

    def __call__(self, progress: TrainingProgress) -> None:
        if not self.started:
            self.context.progress.start(self.phase, "train", progress.total)
            self.started = True
        self.context.progress.update(
            progress.step,
            {"loss": progress.loss, "tokens a second": progress.tokens_per_second},
        )
        self.context.writer.add_metric(
            Metric("", self.phase, self.iteration, "loss", progress.loss, progress.step)
        )


def base_phase(context: Context, phase: str) -> Summary:
    """Train the base policy that the data set makes."""
    recipe = context.recipe
    make_policy = context.data_set.make_policy
    assert make_policy is not None, "a recipe without a policy is refused when it is read"
    prepare(recipe.models)
    target = context.writer.layout.checkpoint(0, "policy")
    report = make_policy(
        recipe.problems,
        context.problems,
        target,
        seed=derive_seed(recipe.seed, phase) % 2**31,
        progress=Watch(context, phase, 0),
        device=recipe.models.device,
    )
    return _trained(context, 0, "policy", target, None, report)


def policy_phase(
    context: Context,
    phase: str,
    iteration: int,
    samples: Sequence[PolicySample],
    parent: str,
    kind: CheckpointKind = "policy",
    updates: int | None = None,
) -> Summary:
    """Fine-tune the policy ``parent`` on ``samples``."""
    from restmcts.training.policy import train_policy

    recipe = context.recipe
    prepare(recipe.models)
    seed = derive_seed(recipe.seed, phase) % 2**31
    settings: PolicyTraining = recipe.policy_training.model_copy(update={"seed": seed})
    if updates is not None:
        settings = settings.model_copy(update={"updates": updates})
    target = context.writer.layout.checkpoint(iteration, kind)
    report = train_policy(
        context.folder(parent),
        samples,
        settings,
        target,
        progress=Watch(context, phase, iteration),
        device=recipe.models.device,
    )
    return _trained(context, iteration, kind, target, parent, report)


def control_phase(context: Context, phase: str, iteration: int, parent: str, updates: int) -> Summary:
    """Train the control arm: the demonstrations alone, for as many updates as the policy had."""
    count = len(context.problems.demonstrations)
    samples = demonstration_samples(context, phase, count)
    if not samples:
        raise PhaseError(f"{phase}: the control arm needs training problems with a 'solution'")
    return policy_phase(context, phase, iteration, samples, parent, "control", updates)


def start_phase(context: Context, phase: str, search: str, policy: str) -> Summary:
    """Train a first value model on solved examples and their perturbed steps (paper, Section 3.2).

    Solved examples are the demonstrations and the verified-correct traces of the phase ``search``; the
    first errors of its other traces are added, ``bootstrap.errors`` times.
    """
    solved = [
        *(demonstration(problem) for problem in context.problems.demonstrations),
        *(
            trace
            for traces in correct_traces(context, [search]).values()
            for trace in traces
            if not held_out(trace.problem)
        ),
    ]
    random = Random(derive_seed(context.recipe.seed, phase))
    wanted = context.recipe.bootstrap
    known = mistakes(context, search) if wanted.perturbed else {}
    samples = list(perturbed_samples(solved, wanted.perturbed, random, known))
    if not samples:
        raise PhaseError(f"{phase}: there are no solved examples to start a value model from")
    samples += list(first_errors(context, search)) * wanted.errors
    settings = context.recipe.value_start
    return _value_training(context, phase, 0, samples, policy, settings, "start", share_nodes=False)


def perturbed_samples(
    solved: Sequence[PolicySample],
    copies: int,
    random: Random,
    mistakes: Mapping[str, Sequence[Step]] | None = None,
) -> Iterator[ValueSample]:
    """``copies`` of each solved example: every other one whole, the rest ending in a wrong step.

    Right steps have the label 1. A wrong step stands in place of a step drawn at random; its label is 0. In
    turns it is a step of any solved example, and one of the ``mistakes`` that are known for a right step of
    this text, where there are any. A drawn step with the text of the right one leaves the copy whole. Whole
    copies are there so that late steps are not seen wrong more often than early ones.
    """
    known = mistakes or {}
    pool = [step for sample in solved for step in sample.steps]
    for sample in solved:
        steps = sample.steps
        for number in range(copies):
            place = random.randrange(len(steps))
            likely = known.get(steps[place].text.strip(), pool)
            wrong = random.choice(likely if number % 4 == 3 else pool)
            if number % 2 == 0 or wrong.text.strip() == steps[place].text.strip():
                yield ValueSample(sample.problem, sample.prompt, steps, (1.0,) * len(steps), ())
            else:
                chain = (*steps[:place], wrong)
                yield ValueSample(sample.problem, sample.prompt, chain, (1.0,) * place + (0.0,), ())


def mistakes(context: Context, search: str) -> dict[str, list[Step]]:
    """What the policy wrote in place of right steps, by the text of the right one.

    Such steps are near misses, which a value model has to tell from right steps; a step of another solution
    is easy to tell.
    """
    found: dict[str, list[Step]] = defaultdict(list)
    for record, tree in verified_trees(context, search):
        if held_out(record.header.problem):
            continue
        labels = first_error(tree)
        for node in tree.nodes:
            children = tree.children(node.id)
            wrong = [child.step for child in children if labels[child.id] == 0.0 and child.step]
            for child in children:
                if labels[child.id] == 1.0 and child.step:
                    found[child.step.text.strip()] += wrong
    return {text: steps for text, steps in found.items() if steps}


def first_errors(context: Context, search: str) -> Iterator[ValueSample]:
    """The steps at which sampled traces left the correct ones, each with the right steps before it."""
    for record, tree in verified_trees(context, search):
        if held_out(record.header.problem):
            continue
        labels = first_error(tree)
        for node in tree.nodes[1:]:
            if labels[node.id] == 0.0:
                steps = tuple(tree.steps(node.id))
                values = (1.0,) * (len(steps) - 1) + (0.0,)
                yield ValueSample(record.header.problem, record.header.question, steps, values, ())


def value_phase(
    context: Context, phase: str, iteration: int, samples: Iterable[ValueSample], parent: str
) -> Summary:
    """Train a value model from ``parent``, a policy or the value model before."""
    recipe = context.recipe
    settings = recipe.value_training
    if iteration > 0 and recipe.value_update is not None:
        settings = recipe.value_update
    kept = [sample for sample in samples if not held_out(sample.problem)]
    return _value_training(context, phase, iteration, kept, parent, settings, "value")


def _value_training(
    context: Context,
    phase: str,
    iteration: int,
    samples: Sequence[ValueSample],
    parent: str,
    settings: ValueTraining,
    folder: str,
    *,
    share_nodes: bool = True,
) -> Summary:
    from restmcts.training.value import train_value

    recipe = context.recipe
    prepare(recipe.models)
    target = context.writer.layout.checkpoint(iteration, folder)
    report = train_value(
        context.folder(parent),
        samples,
        settings.model_copy(update={"seed": derive_seed(recipe.seed, phase) % 2**31}),
        target,
        share_nodes=share_nodes,
        progress=Watch(context, phase, iteration),
        device=recipe.models.device,
    )
    return _trained(context, iteration, "value", target, parent, report)


def _trained(
    context: Context,
    iteration: int,
    kind: CheckpointKind,
    target: Path,
    parent: str | None,
    report: TrainingReport,
) -> Summary:
    if report.skipped and sum(report.skipped.values()):
        left_out = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items() if count)
        context.progress.note(f"{kind} training of iteration {iteration} left out: {left_out}")
    return {
        "checkpoint": relative(context, target),
        "parent": parent,
        "updates": report.updates,
        "samples": report.samples,
        "first_loss": report.first_loss,
        "last_loss": report.last_loss,
        **report.metrics,
    }


def relative(context: Context, path: Path) -> str:
    return path.relative_to(context.writer.layout.folder).as_posix()


def record_checkpoint(
    context: Context,
    iteration: int,
    kind: CheckpointKind,
    trained: Summary,
    *,
    carried: bool,
    **metrics: float,
) -> None:
    """Note a checkpoint, and whether the next iteration goes on from it."""
    context.writer.add_checkpoint(
        Checkpoint("", iteration, kind, trained["checkpoint"], trained["parent"], carried, dict(metrics))
    )


def judge_value(context: Context, searches: Sequence[str], value: str) -> list[Judged]:
    """What the value model ``value`` says about the held-out trees of the phases ``searches``.

    A step is a good one when a verified-correct trace passes through it; for a data set that knows the right
    steps, when it and all steps before are right. Where the value aggregates over the steps, it is compared
    with that, 1 or 0; otherwise with the label of the step.
    """
    from restmcts.evaluation.value_report import Judged
    from restmcts.training.value import predict_values

    samples = [
        sample
        for search in searches
        for sample in context.writer.read_samples(label_of(search))
        if isinstance(sample, ValueSample) and held_out(sample.problem)
    ]
    good = _good_steps(context, searches)
    predictions = predict_values(
        context.folder(value),
        samples,
        max_length=context.recipe.value_training.max_length,
        device=context.recipe.models.device,
    )
    aggregation = context.recipe.models.value_aggregation
    combine, by_step = AGGREGATIONS[aggregation], aggregation == "last"
    rows: list[Judged] = []
    seen: set[tuple[str, str]] = set()
    for sample, predicted in zip(samples, predictions, strict=True):
        likelihood: float | None = 0.0
        for place, step in enumerate(sample.steps):
            known = likelihood is not None and step.logprob is not None
            likelihood = (likelihood or 0.0) + (step.logprob or 0.0) if known else None
            node = (sample.trees[0], _key(sample.steps[: place + 1]))
            label = sample.labels[place] if by_step else float(node in good)
            if node not in seen and label is not None and predicted is not None:
                estimate = combine(predicted[: place + 1])
                rows.append(Judged(sample.problem, place + 1, estimate, label, node in good, likelihood))
            seen.add(node)
    return rows


def label_of(search: str) -> str:
    """The phase that labels the trees of the phase ``search``."""
    return search.removesuffix("search") + "label"


def _key(steps: Sequence[Step]) -> str:
    return "".join(step.text for step in steps)


def _good_steps(context: Context, searches: Sequence[str]) -> set[tuple[str, str]]:
    """The good partial solutions of the held-out trees, by tree and text."""
    problems = {problem.id: problem for problem in context.problems.train}
    found: set[tuple[str, str]] = set()
    for search in searches:
        for record, tree in verified_trees(context, search):
            if not held_out(record.header.problem):
                continue
            hits = any_correct(tree)
            problem = problems[record.header.problem]
            for node in tree.nodes[1:]:
                text = tree.text(node.id)
                if _is_right(context, problem, text, hits[node.id]):
                    found.add((record.header.id, text))
    return found


def _is_right(context: Context, problem: Problem, text: str, hit: float | None) -> bool:
    known = context.data_set.right_step(problem, text)
    return hit == 1.0 if known is None else known
