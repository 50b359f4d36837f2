"""The data sets by name, and what the rest of the program asks of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import Field

from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published
from restmcts.problems.splits import Splits, check_apart
from restmcts.registry import Registry
from restmcts.settings import Settings, checked

if TYPE_CHECKING:
    from restmcts.training.report import OnProgress, TrainingReport
    from restmcts.training.settings import Device


class DataSetSettings(Settings):
    """The settings of every data set: the table `[problems]` of a recipe."""

    data_set: str = Field(
        default="jsonl",
        description="the name of the data set, which decides the other keys of the table",
    )
    paths: ClassVar[tuple[str, ...]] = ()
    """The keys that name files; relative ones are relative to the recipe."""

    grader: str = Field(
        default="math",
        description=(
            "the name of the grader, which finds the answer in a solution and compares it with the oracle"
            " answer, see [Graders](#graders)"
        ),
    )

    def path_keys(self) -> list[tuple[str, ...]]:
        """The keys that name files, with those of tables in this one."""
        return [(key,) for key in self.paths]

    def unknown_repositories(self) -> list[str]:
        """Repositories of the hub that are named by the settings alone and would be fetched from."""
        return []


class PolicyMaker(Protocol):
    """Trains the base policy of a data set, for recipes that name none in ``models.policy``."""

    def __call__(
        self, settings: Any, splits: Splits, target: Path, *, seed: int, device: Device, progress: OnProgress
    ) -> TrainingReport:
        """Write a policy that can be opened and trained further to the folder ``target``, or nothing.

        Args:
            settings: those of the data set.
            splits: what ``load`` gave.
            target: the folder of the checkpoint.
            seed: of the training, 0 to 2**31 - 1.
            device: where to train.
            progress: called about a hundred times.

        Raises:
            PhaseError: the policy does not come out as it should.
        """
        ...


def _no_files(settings: Any) -> Sequence[Path]:
    return ()


def _nothing_absent(settings: Any) -> Sequence[str]:
    return ()


def _right_step_is_unknown(problem: Problem, text: str) -> bool | None:
    return None


def _any_policy(settings: Any, accuracy: float) -> str | None:
    return None


def _any_value(settings: Any, auc: float) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: settings, a function that loads its problems, and what else it knows about them.

    Attributes:
        settings: the class of its settings; ``load`` and the other functions get an instance of it.
        load: gives the problems from the settings and the seed of the run. Equal settings and seeds give
            equal problems. It raises InputError where that is impossible.
        summary: what the data set is, in a line.
        files: gives the files of the user that ``load`` reads, from the settings. A run notes what they
            hold, and does not go on with others.
        absent: gives the repositories that ``load`` would fetch from the hub, from the settings.
        make_policy: trains a base policy, see :class:`PolicyMaker`; None: ``models.policy`` is required.
        right_step: says of a problem and a partial solution, as text, whether all its steps are right; None
            where nobody knows. The loop judges value models by it. Where it is None, a partial solution
            counts as right when a verified-correct trace passes through it.
        check_policy: gets the settings and the greedy accuracy of the base policy on the validation problems
            (0 to 1). Returns why the run should stop, as the end of a line, or None.
        check_value: gets the settings and the AUC (0 to 1) by which a new value model ranks right above wrong
            steps of held-out trees. Returns why the run should stop, as the end of a line, or None.
        published: what is known about a set that others have published; None for all other sets.
    """

    settings: type[DataSetSettings]
    load: Callable[[Any, int], Splits]
    summary: str
    files: Callable[[Any], Sequence[Path]] = _no_files
    absent: Callable[[Any], Sequence[str]] = _nothing_absent
    make_policy: PolicyMaker | None = None
    right_step: Callable[[Problem, str], bool | None] = _right_step_is_unknown
    check_policy: Callable[[Any, float], str | None] = _any_policy
    check_value: Callable[[Any, float], str | None] = _any_value
    published: Published | None = None


DATA_SETS: Registry[DataSet] = Registry(
    "data set",
    "restmcts.data_sets",
    DataSet,
    {
        "jsonl": "restmcts.problems.jsonl:JSONL",
        "gsm8k": "restmcts.problems.sets.gsm8k:GSM8K",
        "math": "restmcts.problems.sets.math:MATH",
        "math-500": "restmcts.problems.sets.math_500:MATH_500",
        "scibench": "restmcts.problems.sets.scibench:SCIBENCH",
        "gpqa-diamond": "restmcts.problems.sets.gpqa:GPQA_DIAMOND",
        "theoremqa": "restmcts.problems.sets.theoremqa:THEOREMQA",
        "aime": "restmcts.problems.sets.aime:AIME",
        "c-eval-hard": "restmcts.problems.sets.c_eval:C_EVAL_HARD",
        "scieval": "restmcts.problems.sets.scieval:SCIEVAL",
        "combined": "restmcts.problems.combined:COMBINED",
        "table": "restmcts.problems.table:TABLE",
        "reasoning-gym": "restmcts.problems.gym:REASONING_GYM",
        "tiny": "restmcts.demo.data_set:TINY",
    },
)


def data_set_settings(values: Mapping[str, Any]) -> DataSetSettings:
    """The settings that the table ``[problems]`` describes; its key ``data_set`` says of which data set.

    Raises:
        InputError: an unknown data set, an unknown key (the nearest one is named), or a wrong value.
    """
    name = values.get("data_set", DataSetSettings().data_set)
    if not isinstance(name, str):
        raise InputError(f"data_set: {name!r} is no name: choose from {', '.join(DATA_SETS)}")
    settings = DATA_SETS.get(name).settings
    return checked(settings, {**values, "data_set": name}, f"data set {name!r}")


def test_values(name: str, limit: int | None) -> dict[str, Any]:
    """The table ``[problems]`` for the test problems of a data set alone, at most the first ``limit``.

    Raises:
        InputError: there is no such data set.
    """
    known = DATA_SETS.get(name, "--data").settings.model_fields
    values: dict[str, Any] = {"data_set": name}
    if DATA_SETS[name].published is not None:
        values |= {"train_limit": 0, "validation_limit": 0}
    if limit is not None and "test_limit" in known:
        values["test_limit"] = limit
    return values


def problem_files(settings: DataSetSettings) -> list[Path]:
    """The files of the user that the problems come from; pipes, which can be read once only, are left out."""
    files = DATA_SETS[settings.data_set].files(settings)
    return [path.resolve() for path in files if path.is_file()]


def load_splits(settings: DataSetSettings, seed: int) -> Splits:
    """The problems of the data set that ``settings`` belong to.

    Raises:
        InputError: they cannot be read or generated, or a problem is learned from and measured on.
    """
    splits = DATA_SETS[settings.data_set].load(settings, seed)
    check_apart(splits)
    return splits
