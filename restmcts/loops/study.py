"""Studies: self-training methods side by side, each with several seeds, and what their runs have in common.

A study is a TOML file. Each arm is a recipe with some changes, each pair of an arm and a seed is a run.
Iteration 0, that is the base policy and the first value model, is made once for each seed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from restmcts.errors import InputError
from restmcts.loops.checks import check_loop
from restmcts.paths import located
from restmcts.recipe import Recipe, override_values
from restmcts.recipe_text import parsed, recipe_text, shipped_recipes
from restmcts.settings import Settings, checked
from store.files.journal import read_journal
from store.files.layout import RunLayout, check_name

_AFTER = frozenset(
    {
        "recipe",
        "loop",
        "loop_settings",
        "iterations",
        "concurrency",
        "training",
        "cluster",
        "control",
        "generation",
        "selection",
        "policy_training",
        "preference_training",
        "value_update",
        "evaluation",
    }
)
"""The keys of a recipe that no phase of iteration 0 reads, but for the measurement."""

_VALUES = _AFTER | {"labels", "value_start", "value_training"}

SHARED_PHASES: Final = {
    "0.train-policy": _VALUES,
    "0.validate": _VALUES,
    "0.search": _VALUES,
    "0.label": _AFTER,
    "0.start-value": _AFTER,
    "0.train-value": _AFTER,
}
"""The phases that a run can take over from another, each with the keys of a recipe that it does not read."""

_WHOLE = {"settings", "loop_settings"}
"""Tables that belong to a name beside them: an arm replaces them as a whole."""


class Study(Settings):
    """The keys of a study file."""

    study: str = Field(description="name of the study; its runs are named STUDY-ARM-SEED")
    recipe: str = Field(description="the recipe that arms change: a shipped one, or a file")
    seeds: list[int] = Field(min_length=1, description="seeds; each arm is run once with each")
    changes: dict[str, Any] = Field(default_factory=dict, description="keys of the recipe for every arm")
    arms: dict[str, dict[str, Any]] = Field(
        min_length=1, description="for each arm, by its name: the keys of the recipe that it changes"
    )


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One run of a study: an arm with a seed."""

    arm: str
    seed: int
    name: str
    recipe: Recipe


def load_study(name_or_path: str) -> tuple[Study, list[StudyRun]]:
    """Read a study: a shipped one by its name, or a TOML file.

    Returns:
        The study and its runs: seed after seed, the arms of each in the order of the file.

    Raises:
        InputError: there is none, or something in it or in a recipe of an arm is wrong.
    """
    text, where, folder = _study_text(name_or_path)
    study = checked(Study, parsed(text, where), where)
    base = study.recipe
    if base not in shipped_recipes():
        base = located(base, folder)
    return study, list(_runs(study, base, where))


def _runs(study: Study, base: str, where: str) -> Iterator[StudyRun]:
    text, place, folder = recipe_text(base)
    common = merged(parsed(text, place), study.changes)
    for seed in dict.fromkeys(study.seeds):
        for arm, changes in study.arms.items():
            name = check_name(f"{study.study}-{arm}-{seed}")
            values = {**merged(common, changes), "recipe": f"{study.study}-{arm}", "seed": seed}
            recipe = override_values(values, (), f"{where}: arm {arm!r}", folder, load_plugins=True)
            check_loop(recipe)
            yield StudyRun(arm, seed, name, recipe)


def chosen(runs: Sequence[StudyRun], seeds: Collection[int], arms: Collection[str]) -> list[StudyRun]:
    """The runs with one of the seeds and one of the arms; none named: all.

    Raises:
        InputError: the study has no such seed or arm.
    """
    for what, wanted, known in (
        ("seed", seeds, {run.seed: None for run in runs}),
        ("arm", arms, {run.arm: None for run in runs}),
    ):
        if missing := [value for value in wanted if value not in known]:
            names = ", ".join(map(str, known))
            raise InputError(f"--{what} {missing[0]}: the study has {names}")
    return [run for run in runs if run.seed in (seeds or {run.seed}) and run.arm in (arms or {run.arm})]


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables with other values for some keys; ``settings`` and ``loop_settings`` change as a whole."""
    result = dict(values)
    for key, value in changes.items():
        before = result.get(key)
        both = isinstance(value, Mapping) and isinstance(before, Mapping) and key not in _WHOLE
        result[key] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


def shared_phases(root: Path, runs: Sequence[StudyRun], run: StudyRun) -> dict[str, RunLayout]:
    """The phases that other runs have done just as ``run`` would, each with the first run that has done it.

    Args:
        root: the store.
        runs: all runs of the study.
        run: the run that may take phases over.

    Raises:
        StoreError: the journal of a run cannot be read.
    """
    found: dict[str, RunLayout] = {}
    for other in runs:
        layout = RunLayout(root, other.name)
        if other.name == run.name or not layout.phases.exists():
            continue
        done = [phase for phase in read_journal(layout).phases.values() if phase.files is not None]
        for phase in done:
            if phase.name in SHARED_PHASES and same_until(phase.name, other.recipe, run.recipe):
                found.setdefault(phase.name, layout)
    return found


def same_until(phase: str, one: Recipe, other: Recipe) -> bool:
    """Whether two recipes are the same in everything that a shared phase and those before it depend on."""
    unread = set(SHARED_PHASES[phase])
    return one.model_dump(exclude=unread) == other.model_dump(exclude=unread)


def shipped_studies() -> dict[str, str]:
    """The text of each study that comes with the package, by name."""
    package = Path(str(files("restmcts")))
    folder = next(found for found in (package / "configs", package.parent / "configs") if found.is_dir())
    return {path.stem: path.read_text("utf-8") for path in sorted((folder / "studies").glob("*.toml"))}


def _study_text(name_or_path: str) -> tuple[str, str, Path | None]:
    path = Path(name_or_path).expanduser()
    shipped = shipped_studies()
    if path.suffix == ".toml" or path.is_file() or (path.exists() and name_or_path not in shipped):
        try:
            return path.read_text("utf-8-sig"), str(path), path.parent
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot read the study: {error}") from None
    if name_or_path not in shipped:
        known = ", ".join(sorted(shipped)) or "none"
        raise InputError(f"no study {name_or_path!r}: give a .toml file or one of: {known}")
    return shipped[name_or_path], f"study {name_or_path}", None
