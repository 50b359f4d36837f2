"""Two sides of a comparison, problem by problem, as text: counts, figures, and the problems of each set."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restmcts.cli.output.console import print_json, print_table
from restmcts.cli.output.tables import markdown_table
from restmcts.cli.output.text import note, say, visible
from restmcts.cli.stores import open_store
from restmcts.errors import InputError
from restmcts.paths import expanded
from store.files.layout import run_names
from store.index.sides import chosen_pair, named_side, side_name
from store.nearby import is_store
from store.paired import paired_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.paired import Bounded, PairedFigures
    from store.queries import Compared, ProblemPair

SETS = {"only_a": "only A", "only_b": "only B", "none": "no side", "both": "both sides"}
"""The sets of problems by who is right on them."""

_LISTED = ("only_a", "only_b")
"""The sets whose problems are printed; ``--json`` has all of them."""

_FAULTS = {"never-sampled": "never sampled", "preferred-wrong": "preferred a wrong answer", None: ""}
_COLUMNS = ("problem", "question", "A", "B", "tree of A", "tree of B", "why")


def are_sides(root: Path, names: Sequence[str]) -> bool:
    """Whether any name is that of a phase or a method of a run at ``root``, and of no run elsewhere."""
    runs = set(run_names(root)) if root.is_dir() else set()
    within = [name for name in names if "/" in name and name.partition("/")[0] in runs]
    return any(not is_store(expanded(Path(name.rpartition("/")[0]))) for name in within)


def print_sides(root: Path, names: Sequence[str], *, markdown: bool, as_json: bool) -> None:
    """Compare two sides, and print what both are right on, what only one is, and what none is.

    Raises:
        InputError: there are not two sides, or one of them is not there.
        StoreError: the store cannot be read.
    """
    if len(names) != 2:
        raise InputError("problems are compared between two sides: write RUN/PHASE/METHOD[@BUDGET] twice")
    with open_store(root) as reader:
        a, b = (named_side(reader, name) for name in names)
        compared = reader.compare(*chosen_pair(reader, a, b))
    figures = paired_figures(compared)
    if figures is None:
        raise InputError(
            f"{side_name(compared.a)} and {side_name(compared.b)}: no problem, by name and text, has a"
            " verdict on both sides"
        )
    if compared.alone_a or compared.alone_b:
        note(f"problems of one side alone are left out: {compared.alone_a} of A, {compared.alone_b} of B")
    for side in compared.whole:
        note(f"{side_name(side)}: no outcomes at a budget are stored; the whole searches count")
    if as_json:
        print_json(_as_json(compared, figures))
    else:
        _print_text(compared, figures, markdown=markdown)


def _as_json(compared: Compared, figures: PairedFigures) -> dict[str, Any]:
    return {
        "a": asdict(compared.a),
        "b": asdict(compared.b),
        "figures": asdict(figures),
        "alone": {"a": compared.alone_a, "b": compared.alone_b},
        "problems": {name: [asdict(pair) for pair in getattr(compared, name)] for name in SETS},
    }


def _print_text(compared: Compared, figures: PairedFigures, *, markdown: bool) -> None:
    sides = [
        (letter, side_name(side), _percent(share), f"{tokens:,.0f}")
        for letter, side, share, tokens in (
            ("A", compared.a, figures.accuracy_a, figures.tokens_a),
            ("B", compared.b, figures.accuracy_b, figures.tokens_b),
        )
    ]
    counts = [(title, f"{len(getattr(compared, name)):,}") for name, title in SETS.items()]
    _table("sides", ("", "side", "accuracy", "tokens a problem"), sides, markdown=markdown)
    _table(f"{figures.problems:,} problems", ("who is right", "problems"), counts, markdown=markdown)
    for name in _LISTED:
        pairs: Sequence[ProblemPair] = getattr(compared, name)
        if pairs:
            _table(f"right: {SETS[name]}", _COLUMNS, [_row(pair) for pair in pairs], markdown=markdown)
    gap = figures.difference
    say(
        f"A less B: {100 * gap.value:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f}),"
        f" p = {figures.p_value:.3g} (exact McNemar test)"
    )


def _percent(figure: Bounded) -> str:
    return f"{figure.value:.1%} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def _row(pair: ProblemPair) -> tuple[str, ...]:
    shares = (f"{pair.share_a:.2g}", f"{pair.share_b:.2g}")
    return (
        visible(pair.problem, 40),
        visible(pair.question, 60),
        *shares,
        pair.tree_a,
        pair.tree_b,
        _FAULTS[pair.fault],
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool) -> None:
    if markdown:
        say(f"### {title}\n\n{markdown_table(columns, rows)}\n")
    else:
        print_table(title, columns, rows)
