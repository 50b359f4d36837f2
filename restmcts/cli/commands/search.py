"""`restmcts search`: search problems with a policy and, where the method asks for one, a value model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import MOST_SEED, ROOT, AsJson, Data, Limit, Override, RetryFailed, Root, Yes

if TYPE_CHECKING:
    from restmcts.loops.results import Searched
    from restmcts.problems.splits import Splits
    from restmcts.recipe import Recipe
    from store.merging.shards import Shard


def search(
    policy: Annotated[Path, typer.Option("--policy", help="Folder of the policy, or its name on a server.")],
    problems: Annotated[
        Path | None, typer.Option("--problems", help="File of problems: JSON Lines or CSV.")
    ] = None,
    data: Data = None,
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
    seed: Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Seed of the search.")] = 1,
    root: Root = ROOT,
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run [default: search-METHOD].")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="NUMBER/COUNT",
            help="Search every COUNT-th problem, from the one at place NUMBER, in a run of its own.",
        ),
    ] = None,
    retry_failed: RetryFailed = False,
    yes: Yes = False,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Search every problem of a file or of a data set once and store the trees.

    A run that was interrupted continues when the same command is started again, and with a larger --limit it
    goes on with further problems. The exit code is 3 if searches failed. Answers may be missing in
    the file; then nothing is graded. A method that needs values takes them from --value; without --value, a
    value model is bootstrapped from the problems of --train, which must be other problems, with answers.

    --shard 3/16 is one of 16 such commands, which may run at the same time, on machines that share nothing;
    the run is named search-METHOD.3-of-16 (with --run NAME, NAME.3-of-16). `restmcts store merge` makes one
    run of them.

    -o generation.settings.KEY=VALUE changes a setting of the method, and every other key of a recipe can be
    set too, for example -o models.dtype=bfloat16 or, with --data, -o problems.shots=4. A policy on a server:
    -o models.engine=openai -o models.openai.base_url=http://127.0.0.1:8000/v1; without --value it is asked
    for values itself. A method from a Python file: --method NAME -o plugins=FILE.
    """
    from restmcts.cli.endings import end
    from restmcts.cli.output.console import print_json
    from restmcts.cli.session import open_run
    from restmcts.loops.commands import check_shard, check_value, search_problems
    from restmcts.loops.results import to_summary
    from restmcts.problems.registry import problem_files
    from restmcts.recipe import override_values

    tables: dict[str, Any] = {
        "recipe": "search",
        "seed": seed,
        "shard": shard,
        "models": {"policy": str(policy)} | ({"value": str(value)} if value else {}),
        "problems": _table(problems, data, train, limit),
        "generation": {"method": method, "settings": {}} | ({"budget": budget} if budget else {}),
    }
    recipe = override_values(tables, override or [], "search", load_plugins=True)
    sets = _splits(recipe, limit)
    check_value(recipe, sets)
    part = check_shard(recipe, sets)
    name = _run_name(run or f"search-{method}", part)
    files = [*problem_files(recipe.problems), *map(Path, recipe.plugins)]
    with open_run(
        root, name, recipe, sets, files=files, retry_failed=retry_failed, extendable=True, yes=yes
    ) as opened:
        searched = search_problems(opened)
        opened.writer.finish_run()
    if as_json:
        summary = to_summary(searched)
        print_json({"run": name, **summary, "solved": None if searched.graded == 0 else searched.solved})
    else:
        report(name, root, searched, part)
    end(searched.failed)


def _run_name(run: str, part: Shard | None) -> str:
    """The name of the run, which says what shard it searches."""
    return run if part is None or run.endswith(part.ending) else f"{run}{part.ending}"


def _table(problems: Path | None, data: str | None, train: Path | None, limit: int | None) -> dict[str, Any]:
    """The table ``[problems]`` of the recipe."""
    from restmcts.errors import InputError
    from restmcts.problems.registry import test_values

    if (problems is None) == (data is None):
        raise InputError("name the problems either by --problems FILE or by --data NAME")
    if data is None:
        table = {"test": str(problems)} | ({"train": str(train)} if train else {})
        return table | ({} if limit is None else {"test_limit": limit})
    values = test_values(data, limit)
    if train is None:
        return values
    return {"data_set": "combined", "train": {"train": str(train)}, "test": values}


def _splits(recipe: Recipe, limit: int | None) -> Splits:
    """The problems to search, which need no answers in a file, and those to bootstrap a value model from."""
    from dataclasses import replace

    from restmcts.problems.jsonl import JsonlProblems, load_problems
    from restmcts.problems.registry import load_splits
    from restmcts.problems.splits import Splits, check_apart

    files = recipe.problems
    if not isinstance(files, JsonlProblems) or files.test is None:
        splits = load_splits(files, recipe.seed)
        return replace(splits, test=splits.test[:limit])
    wanted = load_problems(Path(files.test), limit=files.test_limit, require_answers=False)
    others = load_problems(Path(files.train), limit=files.train_limit) if files.train else []
    splits = Splits(others, [], wanted, [problem for problem in others if problem.solution])
    check_apart(splits)
    return splits


def report(run: str, root: Path, found: Searched, part: Shard | None) -> None:
    from restmcts.cli.endings import command
    from restmcts.cli.output.text import say

    say(
        f"{found.trees} problems searched, {_solved(found)}, {found.answers} finished solutions,"
        f" {found.policy_tokens / found.trees:.0f} policy and {found.value_tokens / found.trees:.0f} value"
        " tokens a problem"
    )
    first = f"{run}/search/{0 if part is None else part.first}"
    say(f"Show a tree:  {command('show', first, '--root', root)}")
    say(f"Replay it:    {command('tui', first, '--root', root)}")
    if part is not None:
        say(f"Merge all {part.count} shards:  {command('store', 'merge', root, '--into', root)}")


def _solved(found: Searched) -> str:
    from restmcts.evaluation.statistics import wilson

    graded = found.trees if found.graded is None else found.graded
    if graded == 0:
        return "not graded"
    share = wilson(found.solved, graded)
    of = "" if graded == found.trees else f" of {graded} graded"
    return f"{found.solved}{of} solved: {share.value:.1%} (95 % interval {share.low:.1%} - {share.high:.1%})"
