"""`restmcts power`: how many problems an evaluation needs."""

from __future__ import annotations

from typing import Annotated

import typer

from restmcts.cli.options import AsJson


def power(
    difference: Annotated[
        float, typer.Option("--difference", min=0.01, max=100, help="The difference to show, in points.")
    ],
    baseline: Annotated[
        float, typer.Option("--baseline", min=0, max=100, help="Accuracy of the weaker side, in per cent.")
    ] = 50.0,
    discordant: Annotated[
        float | None,
        typer.Option(
            "--discordant",
            min=0.01,
            max=100,
            help="Problems that one side alone is right on, in per cent [default: as if answers did not hang"
            " together, which is the most]. `restmcts compare --flips` lists those of stored runs.",
            show_default=False,
        ),
    ] = None,
    wanted: Annotated[
        float,
        typer.Option("--power", min=1, max=99.9, help="How often the difference is shown, in per cent."),
    ] = 80.0,
    comparisons: Annotated[
        int, typer.Option("--comparisons", min=1, help="Comparisons that are made together.")
    ] = 1,
    problems: Annotated[
        int | None, typer.Option("--problems", min=1, help="Say what so many problems show.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many problems show a difference of accuracies, and how often so many do.

    Paired: both sides answer the same problems, and the exact McNemar test is to give less than 5 %.
    Unpaired: each side answers problems of its own. With several comparisons, the test is at 5 % divided by
    their number, which is the first step of Holm's correction.
    """
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.errors import InputError
    from restmcts.evaluation import power as formulas

    gap, low, level = difference / 100, baseline / 100, 0.05 / comparisons
    if gap + low > 1:
        raise InputError(
            f"--baseline {baseline:g} and --difference {difference:g} are more than 100 together"
        )
    apart = formulas.likely_discordant(gap, low) if discordant is None else discordant / 100
    if apart < gap:
        raise InputError(
            f"--discordant {100 * apart:g} is less than --difference {difference:g}: so many problems have to"
            " tell the sides apart"
        )
    rows = [
        {
            "kind": "paired",
            "problems": formulas.paired_problems(gap, apart, wanted / 100, level),
            "power": None if problems is None else formulas.paired_power(problems, gap, apart, level),
        },
        {
            "kind": "unpaired",
            "problems": formulas.unpaired_problems(gap, low, wanted / 100, level),
            "power": None if problems is None else formulas.unpaired_power(problems, gap, low, level),
        },
    ]
    if as_json:
        print_json({"difference": gap, "baseline": low, "discordant": apart, "level": level, "rows": rows})
        return
    columns = ["", f"problems for {wanted:g} % power"] + (
        [] if problems is None else [f"power of {problems:,} problems"]
    )
    print_table(
        f"{difference:g} points; {100 * apart:.3g} % of problems differ; level {100 * level:.2g} %",
        columns,
        [
            [
                "paired" if row["kind"] == "paired" else "unpaired, each side",
                f"{row['problems']:,}",
                *([] if row["power"] is None else [f"{row['power']:.1%}"]),
            ]
            for row in rows
        ],
    )
