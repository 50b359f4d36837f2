"""What `restmcts eval` does where something is searched: what was asked, checked, and run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from restmcts.cli.endings import end
from restmcts.cli.output.console import print_json
from restmcts.cli.output.tables import print_evaluations, print_shared
from restmcts.cli.received import Word, check_files, check_server
from restmcts.cli.session import open_run
from restmcts.errors import InputError
from restmcts.loops.commands import Comparison, compare_methods, share_budget
from restmcts.loops.results import Evaluated, to_summary
from restmcts.plugins import plugin_files
from restmcts.problems.jsonl import load_problems
from restmcts.problems.registry import data_set_settings, load_splits, problem_files, test_values
from restmcts.problems.splits import Splits
from restmcts.recipe import Recipe, override_values
from restmcts.recipe_text import nested_overrides, parse_override
from restmcts.search.choice import EvaluatedMethod
from restmcts.search.registry import METHODS
from restmcts.search.settings import Limits
from restmcts.settings import checked
from restmcts.stored_recipes import stored_recipe
from restmcts.workers.cluster.settings import ClusterSettings
from store.records import Evaluation
from store.runs.reading import read_evaluations


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: the options of `restmcts eval` by which something is searched.

    ``limits`` are those of a search besides its budget, by name; ``limit`` is the number of problems.
    ``server``: the addresses of servers and the variables of their keys, as they were repeated.
    """

    run: str | None
    policy: Path | None
    value: Path | None
    problems: Path | None
    data: str | None
    validation: Path | None
    iteration: int | None
    methods: Sequence[str]
    budgets: Sequence[int]
    limits: Mapping[str, float]
    limit: int | None
    shared: bool
    overrides: Sequence[str]
    server: tuple[list[str], list[str]]


def check_asked(asked: Asked) -> None:
    """Refuse options that do not go together.

    Raises:
        InputError: they do not.
    """
    if (asked.run is None) == (asked.policy is None):
        raise InputError("name either a run or a --policy folder to evaluate")
    if asked.problems is not None and asked.data is not None:
        raise InputError("name the problems either by --problems FILE or by --data NAME")
    if asked.run is None and asked.problems is None and asked.data is None:
        raise InputError("give the problems to evaluate on with --problems or --data")


def run_evaluation(root: Path, asked: Asked, *, retry_failed: bool, yes: bool, as_json: bool) -> None:
    """Search, and print what was measured.

    Raises:
        InputError: something that was asked for does not exist, or does not fit the run.
    """
    of_recipe, of_methods = _split(asked.overrides)
    name, recipe, config = _recipe(root, asked, of_recipe)
    if asked.run is not None:
        check_server(asked.run, recipe, Word(*asked.server))
        if asked.problems is None and asked.data is None:
            check_files(root, asked.run, recipe)
    limits = checked(Limits, recipe.evaluation.limits.given | dict(asked.limits), "--limit")
    wanted = Comparison(_methods(asked.methods, of_methods), asked.budgets, asked.iteration, limits)
    files = problem_files(recipe.problems) if asked.problems is None else []
    files += plugin_files(nested_overrides(of_recipe))
    sets = _problems(recipe, asked)
    with open_run(
        root, name, recipe, sets, config=config, files=files, retry_failed=retry_failed, yes=yes
    ) as run:
        # Comparing the models of a run that has come to its end does not reopen it.
        done = asked.run is None or run.writer.is_finished
        fixed, shared = share_budget(run, wanted) if asked.shared else (compare_methods(run, wanted), None)
        if done:
            run.writer.finish_run()
        rows = [row for row in read_evaluations(run.writer.layout) if row.phase == fixed.phase]
    _print(name, fixed, shared, rows, as_json)
    end(fixed.failed + (0 if shared is None else shared.failed))


def _print(
    name: str, fixed: Evaluated, shared: Evaluated | None, rows: Sequence[Evaluation], as_json: bool
) -> None:
    if as_json:
        more = {} if shared is None else {"shared": {"phase": shared.phase, **to_summary(shared)}}
        print_json({"run": name, "phase": fixed.phase, **to_summary(fixed), **more})
        return
    print_evaluations(f"{name}, {fixed.phase}", rows)
    if shared is not None:
        print_shared(f"{name}, {shared.phase}: one budget for all problems", shared.rows)


def _recipe(root: Path, asked: Asked, overrides: list[str]) -> tuple[str, Recipe, str | None]:
    """The name of the run to write into, its recipe, and the text of its configuration if it exists."""
    run, problems, data = asked.run, asked.problems, asked.data
    if run is not None:
        changed = ["plugins", "cluster"] if data is None else ["plugins", "cluster", "problems"]
        kept = [text for text in overrides if parse_override(text)[0][0] not in changed]
        if kept:
            raise InputError(f"-o {kept[0]!r}: run {run!r} keeps its recipe; only methods can be changed")
        recipe, text = stored_recipe(root, run, plugin_files(nested_overrides(overrides)))
        place = checked(ClusterSettings, nested_overrides(overrides).get("cluster", {}), "cluster")
        recipe = recipe.model_copy(update={"cluster": place})
        return run, recipe if data is None else _with_data(recipe, data, overrides), text
    tables: dict[str, Any] = {
        "recipe": "eval",
        "models": {"policy": str(asked.policy)} | ({"value": str(asked.value)} if asked.value else {}),
        "problems": {"test": str(problems)} if data is None else test_values(data, None),
    }
    # A name on a server may hold anything; a run's name may not.
    name = re.sub(r"[^A-Za-z0-9._-]", "-", Path(str(asked.policy)).name)[:90]
    return f"eval-{name}", override_values(tables, overrides, "eval", load_plugins=True), None


def _with_data(recipe: Recipe, data: str, overrides: list[str]) -> Recipe:
    """The recipe of a run with the problems and the grader of another data set."""
    values = test_values(data, None) | nested_overrides(overrides).get("problems", {})
    return recipe.model_copy(update={"problems": data_set_settings(values)})


def _split(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides of the recipe, and those of methods."""
    of_recipe = [text for text in overrides if parse_override(text)[0][0] in Recipe.model_fields]
    return of_recipe, [text for text in overrides if text not in of_recipe]


def _methods(names: Sequence[str], overrides: Sequence[str]) -> list[EvaluatedMethod]:
    """The methods to compare, without early stop, so that every one may use its whole budget."""
    chosen = {name: METHODS.get(name, "--method") for name in names or METHODS}
    settings = {name: dict(method.evaluation) for name, method in chosen.items()}
    for text in overrides:
        path, value = parse_override(text)
        if len(path) < 2 or path[0] not in settings:
            raise InputError(f"-o {text!r}: write METHOD.KEY=VALUE with one of {', '.join(settings)}")
        table = settings[path[0]]
        for key in path[1:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise InputError(f"-o {text!r}: {key!r} holds no keys")
        table[path[-1]] = value
    return [
        checked(
            EvaluatedMethod, {"method": name, "settings": settings[name], "answers": method.answers}, "eval"
        )
        for name, method in chosen.items()
    ]


def _problems(recipe: Recipe, asked: Asked) -> Splits:
    """The problems to measure on, with the validation problems that were named."""
    limit, settings = asked.limit, recipe.problems
    if asked.problems is not None:
        sets = Splits([], [], load_problems(asked.problems.expanduser(), limit=limit), [])
    else:
        if limit is not None and "test_limit" in type(settings).model_fields:
            settings = settings.model_copy(update={"test_limit": limit})
        splits = load_splits(settings, recipe.seed)
        sets = replace(splits, test=splits.test[:limit])
    if asked.validation is None:
        return sets
    return replace(sets, validation=load_problems(asked.validation.expanduser()))
