"""`restmcts eval`: methods side by side at equal token budgets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Limit, Override, RetryFailed, Root

if TYPE_CHECKING:
    from restmcts.recipe import Recipe
    from restmcts.search.choice import EvaluatedMethod


def evaluate(
    run: Annotated[str | None, typer.Argument(help="A run whose models and test problems to use.")] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Folder of a policy, or a name on a server, instead.")
    ] = None,
    value: Annotated[
        Path | None, typer.Option("--value", help="Folder of a value model, or a name on a server.")
    ] = None,
    problems: Annotated[
        Path | None, typer.Option("--problems", help="File of problems: JSON Lines or CSV.")
    ] = None,
    iteration: Annotated[
        int | None, typer.Option("--iteration", min=0, help="Models of this iteration [default: the last].")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="A method; repeat for more [default: all].")
    ] = None,
    budget: Annotated[
        list[int] | None,
        typer.Option("--budget", min=1, help="Generated tokens a problem; repeat for more [default: 600]."),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="For a run whose models are on a server: its address, repeated."),
    ] = None,
    api_key_variable: Annotated[
        str | None,
        typer.Option("--api-key-variable", help="Likewise the variable of its key, if it has another one."),
    ] = None,
    limit: Limit = None,
    retry_failed: RetryFailed = False,
    root: Root = ROOT,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Compare search methods on held-out problems: accuracy with 95 % intervals, and the tokens used.

    The models and the test problems are those of a run, or of --policy and --problems. Methods run without
    early stop and without a limit of rounds, so that each may use its whole budget. Intervals are Wilson
    intervals. A row `oracle (METHOD)` says how often any solution in a tree is right: no way to choose can be
    right more often. The result is a phase of the run; the same comparison is not made twice, and goes on
    with further problems if --limit is larger than before. The exit code is 3 if searches failed.

    A stored run may come from somebody else. So its problems are sent to a server only if --base-url repeats
    the address, and a file outside of the store is read only if the run has noted its content, or if
    --problems names it.

    Settings of a method are overridden by -o METHOD.KEY=VALUE, for example -o mcts.rounds=20; with --policy
    also those of a recipe, for example -o models.engine=openai. -o plugins=FILE runs a Python file, whose
    methods can then be named.
    """
    from restmcts.cli.console import print_json
    from restmcts.cli.endings import end
    from restmcts.cli.received import Word, check_files, check_server
    from restmcts.cli.session import open_run
    from restmcts.cli.tables import print_evaluations
    from restmcts.errors import InputError
    from restmcts.loops.commands import Comparison, compare_methods
    from restmcts.loops.results import to_summary
    from restmcts.plugins import plugin_files
    from restmcts.problems.registry import problem_files
    from restmcts.recipe import nested_overrides
    from store.run_files import read_evaluations

    if (run is None) == (policy is None):
        raise InputError("name either a run or a --policy folder to evaluate")
    of_recipe, of_methods = _split(override or [])
    name, recipe, config = _recipe(root, run, policy, value, problems, of_recipe)
    if run is not None:
        check_server(run, recipe, Word(base_url, api_key_variable))
        if problems is None:
            check_files(root, run, recipe)
    methods = _methods(method or [], of_methods)
    budgets = sorted(set(budget or [600]))
    sets = _problems(recipe, problems, limit)
    files = problem_files(recipe.problems) if problems is None else []
    files += plugin_files(nested_overrides(of_recipe))
    with open_run(root, name, recipe, sets, config=config, files=files, retry_failed=retry_failed) as opened:
        # Comparing the models of a run that has come to its end does not reopen it.
        done = run is None or opened.writer.is_finished
        evaluated = compare_methods(opened, Comparison(methods, budgets, iteration))
        if done:
            opened.writer.finish_run()
        rows = [row for row in read_evaluations(opened.writer.layout) if row.phase == evaluated.phase]
    if as_json:
        print_json({"run": name, "phase": evaluated.phase, **to_summary(evaluated)})
    else:
        print_evaluations(f"{name}, {evaluated.phase}", rows)
    end(evaluated.failed)


def _recipe(
    root: Path,
    run: str | None,
    policy: Path | None,
    value: Path | None,
    problems: Path | None,
    overrides: list[str],
) -> tuple[str, Recipe, str | None]:
    """The name of the run to write into, its recipe, and the text of its configuration if it exists."""
    from restmcts.errors import InputError
    from restmcts.plugins import plugin_files
    from restmcts.recipe import nested_overrides, override_values, parse_override
    from restmcts.stored_recipes import stored_recipe

    if run is not None:
        changed = [text for text in overrides if parse_override(text)[0] != ["plugins"]]
        if changed:
            raise InputError(f"-o {changed[0]!r}: run {run!r} keeps its recipe; only methods can be changed")
        recipe, text = stored_recipe(root, run, plugin_files(nested_overrides(overrides)))
        return run, recipe, text
    if problems is None:
        raise InputError("give the problems to evaluate on with --problems")
    tables: dict[str, Any] = {
        "recipe": "eval",
        "models": {"policy": str(policy)} | ({"value": str(value)} if value else {}),
        "problems": {"test": str(problems)},
    }
    # A name on a server may hold anything; a run's name may not.
    name = re.sub(r"[^A-Za-z0-9._-]", "-", Path(str(policy)).name)[:90]
    return f"eval-{name}", override_values(tables, overrides, "eval", load_plugins=True), None


def _split(overrides: list[str]) -> tuple[list[str], list[str]]:
    """The overrides of the recipe, and those of methods."""
    from restmcts.recipe import Recipe, parse_override

    of_recipe = [text for text in overrides if parse_override(text)[0][0] in Recipe.model_fields]
    return of_recipe, [text for text in overrides if text not in of_recipe]


def _methods(names: list[str], overrides: list[str]) -> list[EvaluatedMethod]:
    """The methods to compare, without early stop, so that every one may use its whole budget."""
    from restmcts.errors import InputError
    from restmcts.recipe import parse_override
    from restmcts.search.choice import EvaluatedMethod
    from restmcts.search.registry import METHODS
    from restmcts.settings import checked

    chosen = {name: METHODS.get(name, "--method") for name in names or METHODS}
    settings = {name: dict(method.evaluation) for name, method in chosen.items()}
    for text in overrides:
        path, value = parse_override(text)
        if len(path) != 2 or path[0] not in settings:
            raise InputError(f"-o {text!r}: write METHOD.KEY=VALUE with one of {', '.join(settings)}")
        settings[path[0]][path[1]] = value
    return [
        checked(
            EvaluatedMethod, {"method": name, "settings": settings[name], "answers": method.answers}, "eval"
        )
        for name, method in chosen.items()
    ]


def _problems(recipe: Recipe, problems: Path | None, limit: int | None) -> Any:
    from dataclasses import replace

    from restmcts.problems.jsonl import load_problems
    from restmcts.problems.registry import load_splits
    from restmcts.problems.splits import Splits

    if problems is not None:
        return Splits([], [], load_problems(problems.expanduser(), limit=limit), [])
    settings = recipe.problems
    if limit is not None and "test_limit" in type(settings).model_fields:
        settings = settings.model_copy(update={"test_limit": limit})
    splits = load_splits(settings, recipe.seed)
    return replace(splits, test=splits.test[:limit])
