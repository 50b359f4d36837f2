"""What commands print: joiners, progress at the width of a terminal, deep trees."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from restmcts.cli.console import bars, described, summarized
from restmcts.cli.text import harmless, visible
from restmcts.cli.tree_text import DEEPEST, tree_lines
from store.events import Expanded, Extended, Step
from store.tree import fold


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


def test_a_tree_is_drawn() -> None:
    a, b, c = (Step(text, (number,)) for number, text in enumerate("abc"))
    lines = [line.plain for line in tree_lines(fold([Expanded(0, (a, b), (1, 1)), Extended(0, (a, c))]), {})]
    assert [line.partition("  [")[0] for line in lines] == [
        "root  N 0  V 0.000",
        "├── a",
        "│   └── c",
        "└── b",
    ]


def test_a_chain_of_many_steps_is_drawn_at_once() -> None:
    started = time.process_time()
    tree = fold([Extended(0, tuple(Step(f"s{number}\n", (number,)) for number in range(20_000)))])
    lines = [line.plain for line in tree_lines(tree, {"rule": tuple([0.5] * 20_001)})]
    assert time.process_time() - started < 10
    assert len(lines) == 20_001
    assert max(map(len, lines)) < 10 * DEEPEST
    assert "… 20000  s19999" in lines[-1]
