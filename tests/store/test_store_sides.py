"""The names of sides, and which sides are compared where a name leaves something open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.errors import InputError
from store.index.reader import StoreReader
from store.index.sides import chosen_pair, contrasts, named_side, side_name, sides_of
from store.queries import Side
from store.records import Evaluation
from tests.store.build import open_run, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.runs.writer import RunWriter

RUNS = ("first", "second")
PHASES = ("1.evaluate", "final.evaluate")


def write(writer: RunWriter) -> None:
    writer.start_phase("1.search", "search", 1)
    writer.add_tree(record(0, "1.search", method="mcts"))
    writer.finish_phase("1.search", {})
    for phase in PHASES:
        writer.start_phase(phase, "evaluate", 1)
        for number, method in enumerate(("mcts", "beam")):
            writer.add_tree(record(number, phase, method=method, problem="p"))
            for budget in (50, 100):
                row = Evaluation("", phase, 1, method, budget, None, 1, 1, 1.0, 0.1, 1.0, 9.0, 9.0)
                writer.add_evaluation(replace(row, rule="best-value"))
        writer.finish_phase(phase, {})


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[StoreReader]:
    for run in RUNS:
        with open_run(tmp_path, run) as writer:
            write(writer)
    with StoreReader(tmp_path) as reader:
        yield reader


def row(method: str, budget: int, phase: str = "final.evaluate", run: str = "first") -> Side:
    return Side(run, phase, method, "best-value", budget)


def test_a_run_has_its_searches_and_the_rows_of_its_evaluations(reader: StoreReader) -> None:
    sides = sides_of(reader, "first")
    assert sides[0] == Side("first", "1.search", "mcts")
    assert sides[1:] == [
        row(method, budget, phase) for phase in PHASES for method in ("mcts", "beam") for budget in (50, 100)
    ]


def test_every_name_stands_for_its_side(reader: StoreReader) -> None:
    for side in sides_of(reader, "first"):
        assert chosen_pair(reader, named_side(reader, side_name(side)), side)[0] == side


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("first", "second", (row("beam", 100), row("beam", 100, run="second"))),
        ("first/1.evaluate", "second", tuple(row("beam", 100, "1.evaluate", run) for run in RUNS)),
        ("first/final.evaluate/mcts", "first/final.evaluate/beam", (row("mcts", 100), row("beam", 100))),
        ("first/final.evaluate/mcts@50", "first/final.evaluate/beam", (row("mcts", 50), row("beam", 50))),
        (
            "first/final.evaluate/mcts@50",
            "first/final.evaluate/mcts@100",
            (row("mcts", 50), row("mcts", 100)),
        ),
        ("first", "first", (row("mcts", 100), row("beam", 100))),
        ("first/1.evaluate", "first/1.evaluate", tuple(row(m, 100, "1.evaluate") for m in ("mcts", "beam"))),
    ],
)
def test_what_is_open_is_chosen_alike(
    reader: StoreReader, a: str, b: str, expected: tuple[Side, Side]
) -> None:
    assert chosen_pair(reader, named_side(reader, a), named_side(reader, b)) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("frst", "did you mean 'first'"),
        ("first/final.evalute", "did you mean 'final.evaluate'"),
        ("first/final.evaluate/mtcs", "did you mean 'mcts'"),
        ("first/final.evaluate/mcts@70", "no budget 70 of first/final.evaluate/mcts: there is 50, 100"),
        ("first/1.search/mcts@70", "it has none"),
    ],
)
def test_a_name_that_there_is_not(reader: StoreReader, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        named_side(reader, name)


def test_between_runs_every_method_at_every_budget_is_listed(reader: StoreReader) -> None:
    found = contrasts(reader, row("beam", 50), row("beam", 50, run="second"))
    assert found == [
        (row(method, budget), row(method, budget, run="second"))
        for method in ("mcts", "beam")
        for budget in (50, 100)
    ]


def test_within_a_phase_the_other_methods_and_budgets_are_listed(reader: StoreReader) -> None:
    found = contrasts(reader, row("mcts", 100), row("beam", 100))
    assert found == [(row("mcts", 100), row("beam", 100)), (row("mcts", 50), row("beam", 50))]
    budgets = contrasts(reader, row("mcts", 50), row("mcts", 100))
    assert budgets[0] == (row("mcts", 50), row("mcts", 100))
    assert (row("mcts", 50), row("beam", 50)) in budgets
