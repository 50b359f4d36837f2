"""`restmcts eval`: methods side by side at equal token budgets."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Data, Limit, Override, RetryFailed, Root, Yes

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
    data: Data = None,
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
    limit_value: Annotated[
        int | None,
        typer.Option("--limit-value", min=1, help="Most tokens that the value model reads for a search."),
    ] = None,
    limit_calls: Annotated[
        int | None, typer.Option("--limit-calls", min=1, help="Most requests to models for a search.")
    ] = None,
    limit_flops: Annotated[
        float | None,
        typer.Option("--limit-flops", help="Most estimated floating-point operations for a search."),
    ] = None,
    limit_seconds: Annotated[
        float | None,
        typer.Option("--limit-seconds", help="Wall time of a search, looked at between requests."),
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
    budget_shared: Annotated[
        bool,
        typer.Option(
            "--budget-shared",
            help="Budgets are means: stop problems where the answer is sure, and spend the rest on others.",
        ),
    ] = False,
    validation: Annotated[
        Path | None,
        typer.Option("--validation", help="With --budget-shared: validation problems [default: the run's]."),
    ] = None,
    from_trees: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="RUN[/PHASE]",
            help="Answer stored trees anew, without a model: those of a run's evaluations, or of a phase.",
        ),
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", help="With --from: an answer rule; repeat for more [default: all]."),
    ] = None,
    grader: Annotated[
        str | None, typer.Option("--grader", help="With --from: find and grade the answers by this grader.")
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels", help="With --from: a label rule to compare with the run's; repeat for more."
        ),
    ] = None,
    retry_failed: RetryFailed = False,
    yes: Yes = False,
    root: Root = ROOT,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Compare search methods on held-out problems: accuracy with 95 % intervals, and the tokens used.

    The models and the test problems are those of a run, or of --policy and --problems or --data. Methods run
    without early stop and without a limit of rounds, so that each may use its whole budget. A search that
    would take more than a --limit-… option allows ends before. Intervals are Wilson intervals, or bootstraps
    over problems where the traces of a problem are read in many orders. A row `oracle (METHOD)` says how
    often any solution in a tree is right: no way to choose can be right more often. The result is a phase of
    the run; the same comparison is not made twice, and goes on with further problems if --limit is larger
    than before. The exit code is 3 if searches failed.

    A stored run may come from somebody else. So its problems are sent to a server only if --base-url repeats
    the address, and a file outside of the store is read only if the run has noted its content, or if
    --problems or --data names it.

    With --budget-shared a problem is stopped when its answer is sure enough, and at a cap otherwise, both
    chosen on validation problems. All problems together take --budget tokens a problem, never more, beside
    the same budget for every problem. It takes methods whose answers are votes.

    Settings of a method are overridden by -o METHOD.KEY=VALUE, for example -o mcts.rounds=20; with --policy
    also those of a recipe, for example -o models.engine=openai, and with --data those of the data set, for
    example -o problems.shots=4. -o plugins=FILE runs a Python file, whose methods can then be named.

    With --from nothing is searched: stored trees are answered by other rules, cut at other budgets (at most
    the one that they were searched with), graded by another --grader, or answered with other constants,
    -o constants.KEY=VALUE. The rows become a phase from-… of the run, if it can be written. With
    --budget-shared the thresholds for one half of the problems are chosen on the other half.
    """
    if from_trees:
        named = (run, policy, value, iteration, method, base_url, api_key_variable, limit)
        _from_trees(
            from_trees,
            named,
            answer,
            budget,
            grader,
            labels,
            problems,
            budget_shared,
            root,
            override,
            as_json,
        )
        return
    from restmcts.cli.console import print_json
    from restmcts.cli.endings import end
    from restmcts.cli.received import Word, check_files, check_server
    from restmcts.cli.session import open_run
    from restmcts.cli.tables import print_evaluations, print_shared
    from restmcts.errors import InputError
    from restmcts.loops.commands import Comparison, compare_methods, share_budget
    from restmcts.loops.results import to_summary
    from restmcts.plugins import plugin_files
    from restmcts.problems.jsonl import load_problems
    from restmcts.problems.registry import problem_files
    from restmcts.recipe_text import nested_overrides
    from restmcts.search.settings import Limits
    from restmcts.settings import checked
    from store.run_files import read_evaluations

    if answer or grader or labels:
        raise InputError("--answer, --grader and --labels look at stored trees: name them with --from")
    if (run is None) == (policy is None):
        raise InputError("name either a run or a --policy folder to evaluate")
    if problems is not None and data is not None:
        raise InputError("name the problems either by --problems FILE or by --data NAME")
    of_recipe, of_methods = _split(override or [])
    name, recipe, config = _recipe(root, run, policy, value, problems, data, of_recipe)
    if run is not None:
        check_server(run, recipe, Word(base_url, api_key_variable))
        if problems is None and data is None:
            check_files(root, run, recipe)
    methods = _methods(method or [], of_methods)
    budgets = sorted(set(budget or [600]))
    given = {"value": limit_value, "calls": limit_calls, "flops": limit_flops, "seconds": limit_seconds}
    limits = checked(Limits, recipe.evaluation.limits.given | _given(given), "--limit")
    sets = _problems(recipe, problems, limit)
    if validation is not None:
        sets = replace(sets, validation=load_problems(validation.expanduser()))
    files = problem_files(recipe.problems) if problems is None else []
    files += plugin_files(nested_overrides(of_recipe))
    with open_run(
        root, name, recipe, sets, config=config, files=files, retry_failed=retry_failed, yes=yes
    ) as opened:
        # Comparing the models of a run that has come to its end does not reopen it.
        done = run is None or opened.writer.is_finished
        wanted = Comparison(methods, budgets, iteration, limits)
        shared = None
        if budget_shared:
            evaluated, shared = share_budget(opened, wanted)
        else:
            evaluated = compare_methods(opened, wanted)
        if done:
            opened.writer.finish_run()
        rows = [row for row in read_evaluations(opened.writer.layout) if row.phase == evaluated.phase]
    if as_json:
        more = {} if shared is None else {"shared": {"phase": shared.phase, **to_summary(shared)}}
        print_json({"run": name, "phase": evaluated.phase, **to_summary(evaluated), **more})
    else:
        print_evaluations(f"{name}, {evaluated.phase}", rows)
        if shared is not None:
            print_shared(f"{name}, {shared.phase}: one budget for all problems", shared.rows)
    end(evaluated.failed + (0 if shared is None else shared.failed))


def _from_trees(
    names: list[str],
    others: tuple[object, ...],
    answers: list[str] | None,
    budgets: list[int] | None,
    grader: str | None,
    labels: list[str] | None,
    problems: Path | None,
    budget_shared: bool,
    root: Path,
    overrides: list[str] | None,
    as_json: bool,
) -> None:
    from restmcts.cli.anew import show_anew
    from restmcts.errors import InputError
    from restmcts.labels import LABEL_RULES
    from restmcts.loops.stored.anew import Anew
    from restmcts.recipe_text import nested_overrides
    from store.answers import RULES

    if any(other is not None for other in others):
        raise InputError(
            "--from searches nothing: leave out the run, models, methods, --iteration and --limit"
        )
    tables = nested_overrides(overrides or [])
    constants = tables.pop("constants", {})
    if tables or not isinstance(constants, dict):
        raise InputError(
            f"--from: -o {next(iter(tables), 'constants')}: only constants.KEY=VALUE can be changed"
        )
    for rule in answers or []:
        if rule not in RULES:
            raise InputError(f"--answer {rule!r}: unknown answer rule: choose from {', '.join(RULES)}")
    for rule in labels or []:
        LABEL_RULES.get(rule, "--labels")
    wanted = Anew(list(dict.fromkeys(answers or [])), budgets or [], constants, grader)
    show_anew(root, names, wanted, labels or [], problems, as_json, shared=budget_shared)


def _recipe(
    root: Path,
    run: str | None,
    policy: Path | None,
    value: Path | None,
    problems: Path | None,
    data: str | None,
    overrides: list[str],
) -> tuple[str, Recipe, str | None]:
    """The name of the run to write into, its recipe, and the text of its configuration if it exists."""
    from restmcts.errors import InputError
    from restmcts.plugins import plugin_files
    from restmcts.problems.registry import test_values
    from restmcts.recipe import override_values
    from restmcts.recipe_text import nested_overrides, parse_override
    from restmcts.stored_recipes import stored_recipe

    if run is not None:
        changed = ["plugins"] if data is None else ["plugins", "problems"]
        kept = [text for text in overrides if parse_override(text)[0][0] not in changed]
        if kept:
            raise InputError(f"-o {kept[0]!r}: run {run!r} keeps its recipe; only methods can be changed")
        recipe, text = stored_recipe(root, run, plugin_files(nested_overrides(overrides)))
        return run, recipe if data is None else _with_data(recipe, data, overrides), text
    if problems is None and data is None:
        raise InputError("give the problems to evaluate on with --problems or --data")
    tables: dict[str, Any] = {
        "recipe": "eval",
        "models": {"policy": str(policy)} | ({"value": str(value)} if value else {}),
        "problems": {"test": str(problems)} if data is None else test_values(data, None),
    }
    # A name on a server may hold anything; a run's name may not.
    name = re.sub(r"[^A-Za-z0-9._-]", "-", Path(str(policy)).name)[:90]
    return f"eval-{name}", override_values(tables, overrides, "eval", load_plugins=True), None


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _with_data(recipe: Recipe, data: str, overrides: list[str]) -> Recipe:
    """The recipe of a run with the problems and the grader of another data set."""
    from restmcts.problems.registry import data_set_settings, test_values
    from restmcts.recipe_text import nested_overrides

    values = test_values(data, None) | nested_overrides(overrides).get("problems", {})
    return recipe.model_copy(update={"problems": data_set_settings(values)})


def _split(overrides: list[str]) -> tuple[list[str], list[str]]:
    """The overrides of the recipe, and those of methods."""
    from restmcts.recipe import Recipe
    from restmcts.recipe_text import parse_override

    of_recipe = [text for text in overrides if parse_override(text)[0][0] in Recipe.model_fields]
    return of_recipe, [text for text in overrides if text not in of_recipe]


def _methods(names: list[str], overrides: list[str]) -> list[EvaluatedMethod]:
    """The methods to compare, without early stop, so that every one may use its whole budget."""
    from restmcts.errors import InputError
    from restmcts.recipe_text import parse_override
    from restmcts.search.choice import EvaluatedMethod
    from restmcts.search.registry import METHODS
    from restmcts.settings import checked

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


def _problems(recipe: Recipe, problems: Path | None, limit: int | None) -> Any:
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
