"""Problems that reasoning-gym generates: a task by its name, as many different problems as are wanted."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import Field

from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.problems.registry import DataSet, DataSetSettings
from restmcts.problems.splits import Splits
from restmcts.seeds import derive_seed

ATTEMPTS = 20
"""So many problems are generated for each that is wanted, before a task is said to have too few."""


class GymProblems(DataSetSettings):
    """A task of reasoning-gym; all generated problems are different."""

    data_set: str = "reasoning-gym"
    grader: str = "reasoning-gym"
    task: str = Field(description="the name of the task, for example `chain_sum`")
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="settings of the task in reasoning-gym, except its size and seed",
    )
    train: int = Field(default=200, ge=1, description="number of training problems")
    validation: int = Field(
        default=50,
        ge=1,
        description="number of problems that decide which checkpoint is carried on",
    )
    test: int = Field(default=100, ge=1, description="number of problems that are only measured on")


def generate_gym(wanted: GymProblems, seed: int) -> Splits:
    """The problems of a task, all different; none has a worked solution.

    Raises:
        InputError: reasoning-gym is not installed, it has no such task or setting, the answers of the task
            are not text, or the task has too few different problems.
    """
    counts = {"test": wanted.test, "validation": wanted.validation, "train": wanted.train}
    total = sum(counts.values())
    problems = islice(_different(_items(wanted, total * ATTEMPTS, seed)), total)
    sets = {name: list(islice(problems, count)) for name, count in counts.items()}
    found = sum(map(len, sets.values()))
    if found < total:
        raise InputError(
            f"problems: {wanted.task!r} with these settings gave {found} different problems in"
            f" {total * ATTEMPTS}, {total} are wanted: ask for fewer, or change problems.settings"
        )
    named = {
        name: [_problem(item, wanted.task, f"{name}-{number}") for number, item in enumerate(items)]
        for name, items in sets.items()
    }
    return Splits(named["train"], named["validation"], named["test"], demonstrations=[])


def _items(wanted: GymProblems, size: int, seed: int) -> Iterator[Mapping[str, Any]]:
    library = _library()
    known = sorted(library.factory.DATASETS)
    if wanted.task not in known:
        close = difflib.get_close_matches(wanted.task, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
        raise InputError(f"problems.task: reasoning-gym has no task {wanted.task!r}: {hint}")
    try:
        dataset = library.create_dataset(
            wanted.task, size=size, seed=derive_seed(seed, "gym") % 2**31, **wanted.settings
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise InputError(f"problems.settings: {wanted.task}: {error}") from None
    return iter(dataset)


def _library() -> Any:
    try:
        return importlib.import_module("reasoning_gym")
    except ImportError as error:
        raise InputError(
            f'the data set reasoning-gym needs reasoning-gym: pip install "restmcts[data]" ({error})'
        ) from None


def _different(items: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    for item in items:
        if item["question"] not in seen:
            seen.add(item["question"])
            yield item


def _problem(item: Mapping[str, Any], task: str, name: str) -> Problem:
    if not isinstance(item["answer"], str):
        raise InputError("problems.task: this task has no oracle answers: take another one")
    # What the scorer of the task reads, see :mod:`restmcts.grading.graders.gym_grader`.
    fields = {"task": task, "metadata": _plain(item["metadata"])}
    return Problem(name, item["question"], item["answer"], fields=fields)


def _plain(value: Any) -> Any:
    """The same without the scalars of numpy, which some tasks have in their metadata; tuples stay tuples."""
    if isinstance(value, dict):
        return {_plain(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(map(_plain, value))
    if isinstance(value, str):
        return str(value)
    return value.item() if hasattr(value, "item") else value


REASONING_GYM = DataSet(GymProblems, generate_gym, "a task of reasoning-gym, generated")
