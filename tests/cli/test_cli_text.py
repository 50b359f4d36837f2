"""What commands print: joiners, progress at the width of a terminal, deep trees."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from restmcts.cli.output.console import bars, described, print_table, summarized
from restmcts.cli.output.text import harmless, visible
from restmcts.cli.output.tree import tree_lines
from store.events import Expanded, Extended, SearchRecord, Step, Valued
from store.tree import fold
from tests.store.strategies import searches


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("می\u200cشود", "می\u200cشود"),
        ("a\u200db\u202e\x1b[2J", "a�b��[2J"),
        ("a\tb\nc", "a b↵c"),
    ],
)
def test_joiners_are_letters_where_a_script_needs_them(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert harmless("x\ny\u200c") == "x\ny�"


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_phase_is_whole_at_every_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    figures = {"accuracy": 0.5, "tokens": 815_608, "tokens a second": 18_738.0, "running": 64, "waiting": 936}
    shown = bars(console)
    shown.add_task("10.evaluate-control", total=1500, completed=347, figures=described(figures))
    with console.capture() as capture:
        console.print(shown.get_renderable())
    (line,) = capture.get().rstrip("\n").splitlines()
    assert line.startswith("10.evaluate-control ")
    assert "347/1500" in line and "accuracy 50.0%" in line
    assert len(line) <= width
    assert ("waiting 936" in line) == (width == 200)


def test_a_summary_says_that_nothing_was_graded() -> None:
    summary = {"trees": 3, "solved": 0, "failed": 0, "answers": 2, "graded": 0}
    assert summarized(summary) == "trees 3, failed 0, answers 2, graded 0, not graded"
    assert "solved 2" in summarized(summary | {"solved": 2, "graded": 3})


def test_large_numbers_of_a_summary_stay_short() -> None:
    assert described({"loss": 1e300, "rows": 10**400, "trees": 1500}) == (
        "loss 1e+300, rows 1.00e+400, trees 1,500"
    )


def test_only_columns_of_numbers_stand_at_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("0.search", "", "35.5% → 78.5%", 12), ("final.evaluate", "170", "0.98–0.99", 3)]
    print_table("phases", ("phase", "budget", "accuracy", "trees"), rows)
    first = next(line for line in capsys.readouterr().out.splitlines() if "0.search" in line)
    cells = first.split("│")[1:-1]
    assert cells[0].startswith(" 0.search") and cells[1].strip() == ""
    assert cells[2] == " 35.5% → 78.5% " and cells[3].endswith(" 12 ")
    print_table("only phases", ("phase",), [("0.search",), ("10.evaluate-control",)])
    assert "│ 0.search " in capsys.readouterr().out


def test_a_tree_is_drawn() -> None:
    a, b, c = (Step(text, (number,)) for number, text in enumerate("abc"))
    lines = list(tree_lines(fold([Expanded(0, (a, b), (1, 1)), Extended(0, (a, c))]), {}))
    assert [line.split() for line in lines] == [
        ["node", "depth", "samples", "step"],
        ["0", "0", "0", "problem"],
        ["1", "1", "2", "├", "a"],
        ["3", "2", "1", "│", "c"],
        ["2", "1", "1", "└", "b"],
    ]


@pytest.mark.parametrize("width", [40, 80, 120, None])
@given(record=searches(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_figures_and_nodes_are_never_cut(
    width: int | None, record: SearchRecord, data: st.DataObject
) -> None:
    tree = fold(record.events)
    unit = st.none() | st.floats(0, 1)
    values = data.draw(st.lists(unit, min_size=len(tree.nodes), max_size=len(tree.nodes)))
    head, *lines = tree_lines(tree, {"rest-mcts": tuple(values)}, width)
    names = head.split()
    assert names[:2] == ["node", "depth"] and names[-2:] == ["rest-mcts", "step"]
    figures = {int(line.split()[0]): dict(zip(names, line.split(), strict=False)) for line in lines}
    assert sorted(figures) == list(range(len(tree.nodes)))
    for node in tree.nodes:
        shown, label = figures[node.id], values[node.id]
        assert shown["depth"] == str(node.depth)
        assert shown["rest-mcts"] == ("-" if label is None else f"{label:.3f}")
        if "V" in shown:
            known = node.score is not None or node.visits > 0
            assert shown["V"] == (f"{node.value:.3f}" if known else "-")
            assert shown["N"] == str(node.visits)
    if width is not None:
        assert max(map(cell_len, lines)) <= max(width, cell_len(head) + 24)


def test_a_step_longer_than_the_terminal_is_cut_behind_its_figures() -> None:
    tree = fold([Expanded(0, (Step("漢" * 300, (1,)),), (1,)), Valued((1,), (0.25,))])
    (line,) = [line for line in tree_lines(tree, {}, 80) if "漢" in line]
    assert line.split()[:4] == ["1", "1", "0.250", "0"]
    assert cell_len(line) <= 80 and line.endswith("…")
    assert "漢" * 300 in [*tree_lines(tree, {})][-1]


def test_a_chain_of_many_steps_is_drawn_at_once() -> None:
    started = time.process_time()
    tree = fold([Extended(0, tuple(Step(f"s{number}\n", (number,)) for number in range(20_000)))])
    lines = list(tree_lines(tree, {"rule": tuple([0.5] * 20_001)}, 80))
    assert time.process_time() - started < 10
    assert len(lines) == 20_002
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == ["20000", "20000", "0.500", "s19999"]


def test_branches_deeper_than_the_terminal_keep_their_last_lines() -> None:
    events = [Extended(0, tuple(Step(f"s{number}", (number,)) for number in range(100)))]
    events += [Extended(number, (Step(f"side {number}", (number, 0)),)) for number in range(100)]
    lines = list(tree_lines(fold(events), {}, 80))
    assert max(map(len, lines)) <= 80
    assert "⋯" in lines[100] and lines[100].endswith("s98")
