"""`restmcts search`: search problems with a policy and, where the method asks for one, a value model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Limit, Override, Root

if TYPE_CHECKING:
    from restmcts.iterate.context import Context
    from restmcts.problems.splits import Splits
    from restmcts.recipe import Recipe


def search(
    problems: Annotated[Path, typer.Option("--problems", help="JSON Lines file of problems.")],
    policy: Annotated[Path, typer.Option("--policy", help="Folder of the policy, or its name on a server.")],
    method: Annotated[str, typer.Option("--method", help="Search method.")] = "mcts",
    value: Annotated[
        Path | None, typer.Option("--value", help="Folder of the value model, or a name on a server.")
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option("--train", help="Other problems, to bootstrap a value model from when none is given."),
    ] = None,
    budget: Annotated[int | None, typer.Option("--budget", min=1, help="Generated tokens a problem.")] = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the search.")] = 1,
    root: Root = ROOT,
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run [default: search-METHOD].")
    ] = None,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Search every problem of a file and store the trees; started again, a run goes on.

    Settings of the method are overridden by -o generation.settings.KEY=VALUE. A policy on a server:
    -o models.engine=openai -o models.openai.base_url=http://127.0.0.1:8000/v1
    """
    from restmcts.cli.console import print_json
    from restmcts.cli.session import open_run
    from restmcts.errors import InputError
    from restmcts.problems.jsonl import JsonlProblems, load_problems
    from restmcts.problems.splits import Splits
    from restmcts.recipe import override_values

    tables: dict[str, Any] = {
        "recipe": "search",
        "seed": seed,
        "models": {"policy": str(policy)} | ({"value": str(value)} if value else {}),
        "problems": {"test": str(problems)} | ({"train": str(train)} if train else {}),
        "generation": {"method": method, "settings": {}} | ({"budget": budget} if budget else {}),
    }
    if limit is not None:
        tables["problems"]["test_limit"] = limit
    recipe = override_values(tables, override or [], "search")
    if not isinstance(recipe.problems, JsonlProblems):
        raise InputError("problems.data_set: `restmcts search` reads JSON Lines files: leave this key out")
    wanted = load_problems(problems, limit=limit, require_answers=False)
    train_problems = load_problems(train, limit=recipe.problems.train_limit) if train else []
    solved = [problem for problem in train_problems if problem.solution]
    sets = Splits(train_problems, [], wanted, solved)
    _check_value(recipe, sets)
    name = run or f"search-{method}"
    with open_run(root, name, recipe, sets) as context:
        summary = run_search(context, recipe)
        context.writer.finish_run()
    if as_json:
        print_json({"run": name, **summary})
    else:
        report(name, root, summary)


def _check_value(recipe: Recipe, sets: Splits) -> None:
    """Refuse a method that needs a value model when there is none, and nothing to bootstrap one from."""
    from restmcts.errors import InputError
    from restmcts.iterate.loop import check_trainable
    from restmcts.search.registry import needs_value

    method = recipe.generation.method
    if recipe.models.value_name or not needs_value(method, recipe.generation.build()):
        return
    if sets.train:
        check_trainable(recipe.models)
        return
    raise InputError(
        f"method {method!r} needs a value model: give one with --value, or other problems with answers as"
        " --train to bootstrap one from"
    )


def run_search(context: Context, recipe: Recipe) -> dict[str, Any]:
    """Bootstrap a value model if one is needed and missing, then search the test problems."""
    from restmcts.iterate.loop import first_value
    from restmcts.iterate.searching import run_search_phase, search_tasks
    from restmcts.search.registry import needs_value

    generation = recipe.generation
    settings = generation.build()
    policy = recipe.models.policy_name or ""
    value = None
    if needs_value(generation.method, settings):
        value, _ = first_value(context, policy)

    def work() -> dict[str, Any]:
        with context.engines(policy, value) as engines:
            tasks = search_tasks(
                context,
                "search",
                context.problems.test,
                generation.method,
                settings,
                engines,
                budget=generation.budget,
            )
            return run_search_phase(context, "search", tasks, engines)

    return context.phase("search", "search", 0, work)


def report(run: str, root: Path, summary: dict[str, Any]) -> None:
    from restmcts.evaluation.statistics import wilson

    trees = summary["trees"]
    share = wilson(summary["solved"], trees)
    typer.echo(
        f"{trees} problems searched, {summary['solved']} solved: {share.value:.1%}"
        f" (95 % interval {share.low:.1%} - {share.high:.1%}), {summary['answers']} finished solutions,"
        f" {summary['policy_tokens'] / trees:.0f} policy and {summary['value_tokens'] / trees:.0f} value"
        " tokens a problem"
    )
    typer.echo(f"Show a tree:  restmcts show {run}/search/0 --root {root}")
    typer.echo(f"Replay it:    restmcts tui --root {root} --run {run} --tree search/0")
