"""Training the models of a run: the trainers with the recipe's settings, progress and checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from restmcts.engines.open import prepare
from restmcts.errors import PhaseError
from restmcts.loops.checks import check_apart_from_measured
from restmcts.loops.results import Trained
from restmcts.loops.run import START, Run
from restmcts.loops.work.labelling import demonstration_samples
from restmcts.problems.splits import held_out
from restmcts.samples.perturbed import examples, perturbed_samples
from restmcts.samples.policy import demonstration
from restmcts.training.settings import PolicyTraining, ValueTraining
from store.files.atomic import writing
from store.files.folders import model_files
from store.records import Checkpoint, Metric, PolicySample, PreferenceSample, ValueSample

if TYPE_CHECKING:
    from restmcts.training.report import TrainingProgress, TrainingReport


class Watch:
    """Passes the progress of a training on, and keeps the loss curve as metrics."""

    def __init__(self, run: Run, phase: str, iteration: int) -> None:
        self.run, self.phase, self.iteration = run, phase, iteration
        self.started = False

    def __call__(self, progress: TrainingProgress) -> None:
        if not self.started:
            self.run.progress.start(self.phase, "train", progress.total)
            self.started = True
        self.run.progress.update(
            progress.step,
            {"loss": progress.loss, "tokens a second": progress.tokens_per_second},
        )
        self.run.writer.add_metric(
            Metric("", self.phase, self.iteration, "loss", progress.loss, progress.step)
        )


def make_policy(run: Run, phase: str) -> Trained:
    """Train the base policy that the data set makes."""
    recipe = run.recipe
    maker = run.data_set.make_policy
    assert maker is not None, "a recipe without a policy is refused when it is read"
    prepare(recipe.models)
    target = _target(run, 0, "policy")
    report = maker(
        recipe.problems,
        run.problems,
        target,
        seed=run.seed(phase) % 2**31,
        progress=Watch(run, phase, 0),
        device=recipe.models.device,
    )
    return _trained(run, phase, 0, "policy", target, None, report)


def tune_policy(
    run: Run,
    phase: str,
    iteration: int,
    samples: Sequence[PolicySample],
    parent: str,
    *,
    role: str = "policy",
    updates: int | None = None,
) -> Trained:
    """Fine-tune the policy ``parent`` on ``samples``.

    Args:
        role: the name of the checkpoint in its iteration.
        updates: optimizer updates; None: as the recipe says.
    """
    from restmcts.training.policy import train_policy

    recipe = run.recipe
    prepare(recipe.models)
    check_apart_from_measured(run.problems, phase, (sample.prompt for sample in samples))
    settings: PolicyTraining = recipe.policy_training.model_copy(update={"seed": run.seed(phase) % 2**31})
    if updates is not None:
        settings = settings.model_copy(update={"updates": updates})
    target = _target(run, iteration, role)
    report = train_policy(
        run.folder(parent),
        samples,
        settings,
        target,
        progress=Watch(run, phase, iteration),
        device=recipe.models.device,
        resume=_state(target),
        processes=recipe.training,
    )
    return _trained(run, phase, iteration, role, target, parent, report)


def tune_preference(
    run: Run, phase: str, iteration: int, samples: Sequence[PreferenceSample], parent: str
) -> Trained:
    """Train the policy ``parent`` to prefer the chosen continuations of ``samples``."""
    from restmcts.training.preference import train_preferences

    recipe = run.recipe
    prepare(recipe.models)
    check_apart_from_measured(run.problems, phase, (sample.prompt for sample in samples))
    if recipe.training.processes > 1:
        run.progress.note(f"{phase}: preferences are learned in one process")
    target = _target(run, iteration, "policy")
    report = train_preferences(
        run.folder(parent),
        samples,
        recipe.preference_training.model_copy(update={"seed": run.seed(phase) % 2**31}),
        target,
        progress=Watch(run, phase, iteration),
        device=recipe.models.device,
        resume=_state(target),
    )
    return _trained(run, phase, iteration, "policy", target, parent, report)


def tune_control(run: Run, phase: str, iteration: int, parent: str, updates: int) -> Trained:
    """Train the control arm: the demonstrations alone, for as many updates as the policy had."""
    samples = demonstration_samples(run, phase, len(run.problems.demonstrations))
    if not samples:
        raise PhaseError(f"{phase}: the control arm needs training problems with a 'solution'")
    return tune_policy(run, phase, iteration, samples, parent, role="control", updates=updates)


def start_value(
    run: Run, phase: str, search: str, policy: str, *, beside: Callable[[Path], None] | None = None
) -> Trained:
    """Train a first value model on solved examples and their perturbed steps (paper, Section 3.2).

    Solved examples are the demonstrations and the verified-correct traces of the phase ``search``; the first
    errors of the other traces are added, ``bootstrap.errors`` times. ``beside`` is as in :func:`tune_value`.
    """
    wanted = run.recipe.bootstrap
    found = examples(run.trees(search))
    solved = [*map(demonstration, run.problems.demonstrations), *found.solved]
    samples = list(perturbed_samples(solved, wanted.perturbed, Random(run.seed(phase)), found.mistakes))
    if not samples:
        raise PhaseError(f"{phase}: there are no solved examples to start a value model from")
    samples += found.first_errors * wanted.errors
    settings = run.recipe.value_start
    return _tune_value(run, phase, 0, samples, policy, settings, START, share_nodes=False, beside=beside)


def tune_value(
    run: Run,
    phase: str,
    iteration: int,
    samples: Sequence[ValueSample],
    parent: str,
    *,
    settings: ValueTraining | None = None,
    role: str = "value",
    beside: Callable[[Path], None] | None = None,
) -> Trained:
    """Train a value model from ``parent``, a policy or a value model, without held-out problems.

    Args:
        settings: how to train; None: as the recipe says.
        role: the name of the checkpoint in its iteration.
        beside: gets the folder with the trained model in it, and may write further files there.
    """
    recipe = run.recipe
    if settings is None:
        updated = recipe.value_update if iteration > 0 else None
        settings = updated or recipe.value_training
    kept = [sample for sample in samples if not held_out(sample.problem)]
    return _tune_value(run, phase, iteration, kept, parent, settings, role, beside=beside)


def _tune_value(
    run: Run,
    phase: str,
    iteration: int,
    samples: Sequence[ValueSample],
    parent: str,
    settings: ValueTraining,
    folder: str,
    *,
    share_nodes: bool = True,
    beside: Callable[[Path], None] | None = None,
) -> Trained:
    from restmcts.training.values.training import train_value

    prepare(run.recipe.models)
    check_apart_from_measured(run.problems, phase, (sample.question for sample in samples))
    target = _target(run, iteration, folder)
    report = train_value(
        run.folder(parent),
        samples,
        settings.model_copy(update={"seed": run.seed(phase) % 2**31}),
        target,
        share_nodes=share_nodes,
        beside=beside,
        progress=Watch(run, phase, iteration),
        device=run.recipe.models.device,
        resume=_state(target),
        processes=run.recipe.training,
    )
    return _trained(run, phase, iteration, "value", target, parent, report)


def _target(run: Run, iteration: int, role: str) -> Path:
    """Where a phase writes its checkpoint; what an earlier start of the phase has left there is removed."""
    target = run.writer.layout.checkpoint(iteration, role)
    with writing(target):
        if target.exists():
            shutil.rmtree(target)
    return target


def _state(target: Path) -> Path:
    """Where the state of a training is while its phase lasts."""
    return target.with_name(f"{target.name}.training")


def _trained(
    run: Run,
    phase: str,
    iteration: int,
    role: str,
    target: Path,
    parent: str | None,
    report: TrainingReport,
) -> Trained:
    run.writer.add_checkpoint_files(phase, target, model_files(target))
    if report.skipped and sum(report.skipped.values()):
        left_out = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items() if count)
        run.progress.note(f"{role} training of iteration {iteration} left out: {left_out}")
    return Trained(
        checkpoint=target.relative_to(run.writer.layout.folder).as_posix(),
        parent=parent,
        updates=report.updates,
        samples=report.samples,
        first_loss=report.first_loss,
        last_loss=report.last_loss,
        tokens=report.tokens,
        metrics=dict(report.metrics),
    )


def record_checkpoint(
    run: Run, iteration: int, role: str, trained: Trained, *, carried: bool, **metrics: float
) -> None:
    """Note a checkpoint by its role, and whether the next iteration goes on from it."""
    run.writer.add_checkpoint(
        Checkpoint("", iteration, role, trained.checkpoint, trained.parent, carried, dict(metrics))
    )


def record_figures(run: Run, phase: str, iteration: int, figures: Mapping[str, float]) -> None:
    """Keep the figures of a value model as metrics of the phase that trained it."""
    for name, figure in figures.items():
        run.writer.add_metric(Metric("", phase, iteration, f"value.{name}", figure))
