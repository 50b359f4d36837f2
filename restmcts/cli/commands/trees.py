"""`restmcts trees`: the searches of a run that pass a filter."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Root

if TYPE_CHECKING:
    from store.records import TreeSummary

_COLUMNS = ("tree", "method", "answer", "nodes", "depth", "tokens", "V right", "V wrong", "ended", "question")


def trees(
    run: Annotated[str, typer.Argument(help="The run.", metavar="RUN")],
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            help="Words that all have to hold, such as method:mcts solved:no depth>6 [default: all trees].",
            metavar="FILTER",
            show_default=False,
        ),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="What the trees are sorted by.")] = "id",
    descending: Annotated[bool, typer.Option("--descending", help="The largest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many.")] = 50,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """List the trees of a run that pass a filter, as the list of trees in the TUI does.

    NAME:VALUE is one of phase, method, iteration, solved (yes, no), reason, problem, step (a text in steps)
    and is: unsolved, never-found, preferred-wrong, lost, lucky, disagree, idle, failed or noted. Figures are
    compared: depth>6, tokens<=200, nodes:10..20. Other words are looked for in problems, questions and
    answers. Quote the filter, since the shell has a meaning of its own for < and >.
    """
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.cli.stores import open_store
    from restmcts.errors import InputError
    from store.filter_text import parse
    from store.index.names import find

    with open_store(root) as reader:
        if find(reader, run).phase is not None:
            raise InputError(f"{run!r}: name a run; the filter phase:NAME takes one of its phases")
        asked = parse(" ".join(wanted or ()), run)
        found, total = reader.counted_trees(asked, order_by=by, descending=descending, limit=limit)
    if as_json:
        print_json({"total": total, "trees": [asdict(tree) for tree in found]})
        return
    shown = f", the first {len(found):,}" if len(found) < total else ""
    print_table(f"{total:,} trees of {run}{shown}", ("", *_COLUMNS), [_row(tree) for tree in found])


def _row(tree: TreeSummary) -> list[object]:
    from restmcts.cli.output.text import visible

    answer = visible("-" if tree.answer is None else tree.answer, 20)
    wrong = tree.correct is False and tree.oracle is not None
    return [
        {True: "✓", False: "✗", None: "·"}[tree.correct],
        tree.id,
        tree.method,
        f"{answer} ≠ {visible(tree.oracle, 20)}" if wrong else answer,
        tree.nodes,
        "" if tree.depth is None else tree.depth,
        tree.tokens,
        "" if tree.best_right is None else f"{tree.best_right:.2f}",
        "" if tree.best_wrong is None else f"{tree.best_wrong:.2f}",
        tree.reason,
        visible(tree.question, 60),
    ]
