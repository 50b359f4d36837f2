"""The built-in task as a data set: its problems, its base policy and what it knows about right steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from restmcts.demo.settings import TinySettings
from restmcts.demo.task import generate_tiny
from restmcts.problems.problem import Problem
from restmcts.problems.registry import DataSet
from restmcts.problems.splits import Splits

if TYPE_CHECKING:
    from restmcts.training.report import OnProgress, TrainingReport
    from restmcts.training.settings import Device


def load(settings: TinySettings, seed: int) -> Splits:
    """Generate the problems; equal settings and seeds give equal ones.

    Raises:
        InputError: the task has too few problems.
    """
    counts = {
        "demonstrations": settings.demonstrations,
        "train": settings.train,
        "validation": settings.validation,
        "test": settings.test,
    }
    made = generate_tiny(counts, seed, settings.task())
    return Splits(made["train"], made["validation"], made["test"], made["demonstrations"])


def make_policy(
    settings: TinySettings,
    splits: Splits,
    target: Path,
    *,
    seed: int,
    device: Device,
    progress: OnProgress,
) -> TrainingReport:
    """Train the base policy on the demonstrations until it is mediocre on the validation problems.

    Raises:
        PhaseError: it never was in the wanted range, with the figures.
    """
    # torch is only needed here, and takes seconds to import.
    from restmcts.demo.base_policy import train_tiny_base

    return train_tiny_base(
        settings.task(),
        splits.demonstrations,
        splits.validation,
        settings.base.model_copy(update={"seed": seed}),
        target,
        progress=progress,
        device=device,
    )


def right_step(problem: Problem, text: str) -> bool | None:
    """Whether ``text`` is how the worked solution begins; each step has one right text only."""
    if problem.solution is None:
        return None
    return problem.solution.startswith(text if text.endswith("\n") else text + "\n")


def check_policy(settings: TinySettings, accuracy: float) -> str | None:
    """Why the base policy leaves nothing to learn, or nothing to learn from; None where it does."""
    low, high = settings.lowest_accuracy, settings.highest_accuracy
    if low <= accuracy <= high:
        return None
    return f"outside {low:.0%} to {high:.0%}: change problems.base.target or the seed"


def check_value(settings: TinySettings, auc: float) -> str | None:
    """Why a value model cannot guide a search; None where it can."""
    if auc >= settings.lowest_auc:
        return None
    return (
        f"below problems.lowest_auc = {settings.lowest_auc}: train it longer or on more trees"
        " (value_training, bootstrap)"
    )


TINY = DataSet(
    TinySettings,
    load,
    "the built-in task: chains of small operations modulo a prime",
    make_policy=make_policy,
    right_step=right_step,
    check_policy=check_policy,
    check_value=check_value,
)
