"""`restmcts eval`: methods side by side at equal token budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Data, Limit, Override, RetryFailed, Root, Yes


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
        list[str] | None,
        typer.Option(
            "--base-url", help="For a run whose models are on servers: their addresses, each repeated."
        ),
    ] = None,
    api_key_variable: Annotated[
        list[str] | None,
        typer.Option("--api-key-variable", help="Likewise the variable of the key, if it has another one."),
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

    A stored run may come from somebody else. So its problems are sent to a server only if a --base-url
    repeats its address, and a file outside of the store is read only if the run has noted its content, or if
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
    from restmcts.cli.anew import AskedAnew, show_anew
    from restmcts.cli.evaluation import Asked, check_asked, run_evaluation
    from restmcts.errors import InputError

    if from_trees:
        others = (run, policy, value, iteration, method, base_url, api_key_variable, limit, data, validation)
        if any(other is not None for other in others):
            raise InputError(
                "--from searches nothing: leave out the run, models, methods, data, --iteration and --limit"
            )
        anew = AskedAnew(
            from_trees, answer or [], budget or [], grader, labels or [], problems, override or []
        )
        show_anew(root, anew, as_json, shared=budget_shared)
        return
    if answer or grader or labels:
        raise InputError("--answer, --grader and --labels look at stored trees: name them with --from")
    limits = {"value": limit_value, "calls": limit_calls, "flops": limit_flops, "seconds": limit_seconds}
    asked = Asked(
        run=run,
        policy=policy,
        value=value,
        problems=problems,
        data=data,
        validation=validation,
        iteration=iteration,
        methods=method or [],
        budgets=sorted(set(budget or [600])),
        limits={name: most for name, most in limits.items() if most is not None},
        limit=limit,
        shared=budget_shared,
        overrides=override or [],
        server=(base_url or [], api_key_variable or []),
    )
    check_asked(asked)
    run_evaluation(root, asked, retry_failed=retry_failed, yes=yes, as_json=as_json)
