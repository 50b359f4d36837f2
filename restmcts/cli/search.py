"""`restmcts search`: search problems with a policy and, where the method asks for one, a value model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Limit, Override, Root

if TYPE_CHECKING:
    from restmcts.loops.results import Searched
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
    """Search every problem of a file once and store the trees.

    A run that was interrupted continues when the same command is started again. Answers may be missing in
    the file; then nothing is graded. A method that needs values takes them from --value; without --value, a
    value model is bootstrapped from the problems of --train, which must be other problems, with answers.

    -o generation.settings.KEY=VALUE changes a setting of the method, and every other key of a recipe can be
    set too, for example -o models.dtype=bfloat16. A policy on a server: -o models.engine=openai
    -o models.openai.base_url=http://127.0.0.1:8000/v1; without --value it is asked for values itself.
    """
    from restmcts.cli.console import print_json
    from restmcts.cli.session import open_run
    from restmcts.loops.commands import check_value, search_problems
    from restmcts.loops.results import to_summary
    from restmcts.problems.registry import problem_files
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
    sets = _splits(recipe, problems, train, limit)
    check_value(recipe, sets)
    name = run or f"search-{method}"
    with open_run(root, name, recipe, sets, files=problem_files(recipe.problems)) as opened:
        searched = search_problems(opened)
        opened.writer.finish_run()
    if as_json:
        print_json({"run": name, **to_summary(searched)})
    else:
        report(name, root, searched)


def _splits(recipe: Recipe, problems: Path, train: Path | None, limit: int | None) -> Splits:
    """The problems to search, which need no answers, and those to bootstrap a value model from."""
    from restmcts.errors import InputError
    from restmcts.problems.jsonl import JsonlProblems, load_problems
    from restmcts.problems.splits import Splits, check_apart

    if not isinstance(recipe.problems, JsonlProblems):
        raise InputError("problems.data_set: `restmcts search` reads JSON Lines files: leave this key out")
    wanted = load_problems(problems, limit=limit, require_answers=False)
    others = load_problems(train, limit=recipe.problems.train_limit) if train else []
    splits = Splits(others, [], wanted, [problem for problem in others if problem.solution])
    check_apart(splits)
    return splits


def report(run: str, root: Path, found: Searched) -> None:
    from restmcts.cli.text import say
    from restmcts.evaluation.statistics import wilson

    share = wilson(found.solved, found.trees)
    say(
        f"{found.trees} problems searched, {found.solved} solved: {share.value:.1%}"
        f" (95 % interval {share.low:.1%} - {share.high:.1%}), {found.answers} finished solutions,"
        f" {found.policy_tokens / found.trees:.0f} policy and {found.value_tokens / found.trees:.0f} value"
        " tokens a problem"
    )
    say(f"Show a tree:  restmcts show {run}/search/0 --root {root}")
    say(f"Replay it:    restmcts tui --root {root} --run {run} --tree search/0")
