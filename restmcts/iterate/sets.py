"""The problem sets of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from restmcts.demo.task import generate_tiny
from restmcts.errors import InputError
from restmcts.problems.gym import generate_gym
from restmcts.problems.jsonl import load_problems
from restmcts.problems.problem import Problem
from restmcts.seeds import derive_seed

if TYPE_CHECKING:
    from restmcts.recipe import Recipe

VALIDATION_ONE_IN = 10
"""Without a validation file, one training problem in so many is set aside."""


@dataclass(frozen=True, slots=True)
class ProblemSets:
    """Problems by use; no problem is in two of ``train``, ``validation`` and ``test``.

    ``demonstrations`` have worked solutions that the policy may learn from.
    """

    train: list[Problem]
    validation: list[Problem]
    test: list[Problem]
    demonstrations: list[Problem]


def load_sets(recipe: Recipe) -> ProblemSets:
    """Generate or read the problems of a recipe; one without training problems has test problems alone.

    Raises:
        InputError: a file is missing or wrong, a problem is in two sets, a set is empty.
    """
    if recipe.tiny is not None:
        wanted = recipe.tiny.problems
        counts = {name: getattr(wanted, name) for name in ("demonstrations", "train", "validation", "test")}
        sets = generate_tiny(counts, recipe.seed, wanted.task())
        return ProblemSets(sets["train"], sets["validation"], sets["test"], sets["demonstrations"])
    files = recipe.problems
    if files.gym is not None:
        sets = generate_gym(files.gym, recipe.seed)
        return ProblemSets(sets["train"], sets["validation"], sets["test"], [])
    if files.train is None:
        assert files.test is not None
        return ProblemSets([], [], load_problems(Path(files.test), limit=files.test_limit), [])
    train = load_problems(Path(files.train), limit=files.train_limit)
    if files.validation is not None:
        validation = load_problems(Path(files.validation), limit=files.validation_limit)
    else:
        aside = {problem.id for problem in train if set_aside(problem.id)}
        validation = [problem for problem in train if problem.id in aside][: files.validation_limit]
        train = [problem for problem in train if problem.id not in aside]
    test = load_problems(Path(files.test), limit=files.test_limit) if files.test else validation
    _check_apart(train, validation, test)
    if not train or not validation:
        raise InputError(
            f"{files.train}: too few problems: after setting one in {VALIDATION_ONE_IN} aside for validation,"
            f" {len(train)} are left to train on and {len(validation)} to validate; give more problems or a"
            " file as problems.validation"
        )
    demonstrations = [problem for problem in train if problem.solution]
    return ProblemSets(train, validation, test, demonstrations)


def set_aside(problem: str) -> bool:
    """Whether a training problem is used for validation when there is no file; decided by its name."""
    return derive_seed("validation", problem) % VALIDATION_ONE_IN == 0


def _check_apart(train: list[Problem], validation: list[Problem], test: list[Problem]) -> None:
    """Refuse problems that are trained on and measured on, by their text."""
    texts = {problem.text: problem.id for problem in train}
    for name, problems in (("validation", validation), ("test", test)):
        shared = next((problem for problem in problems if problem.text in texts), None)
        if shared is not None:
            raise InputError(
                f"problem {shared.id!r} of the {name} problems is also the training problem"
                f" {texts[shared.text]!r}: remove one of them, or the accuracy would mean nothing"
            )
