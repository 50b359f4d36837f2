"""An evaluation stores what each problem was worth behind each of its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from restmcts.loops.stored.measured import outcomes_of_rows, stored_orders, written_outcomes
from store.check import check
from store.files.layout import RunLayout
from store.index.reader import StoreReader
from store.queries import Side, TreeFilter
from store.runs.reading import read_evaluations
from tests.loops.scripted import Scripts
from tests.loops.test_loops_reuse import BEST, GREEDY, VOTES, compared


def test_outcomes_are_those_of_the_rows(tmp_path: Path, scripts: Scripts) -> None:
    found, trees, _ = compared(tmp_path, GREEDY, VOTES, BEST, budgets=(20, 40))
    assert check(tmp_path) == []
    with StoreReader(tmp_path) as reader:
        (run,) = reader.runs()
        rows = reader.evaluations(run.name)
        assert len(rows) == len(found.rows) > 6
        for row in rows:
            side = Side(run.name, found.phase, row.method, row.rule, row.budget)
            pairs = reader.compare(side, side).pairs
            assert len(pairs) == row.problems > 0
            assert fmean(pair.share_a for pair in pairs) == pytest.approx(row.accuracy)
            assert fmean(pair.tokens_a for pair in pairs) == pytest.approx(row.policy_tokens)
            behind = reader.trees(TreeFilter(run.name, asked=row.searches))
            assert {pair.tree_a for pair in pairs} <= {tree.id for tree in behind}
        whole = [Side(run.name, found.phase, method) for method in ("greedy", "best-of-n")]
        shown = reader.matrix(whole)
    assert {row.problem for row in shown} == {tree.header.problem for tree in trees}


def test_what_an_evaluation_wrote_is_what_its_trees_give(tmp_path: Path, scripts: Scripts) -> None:
    """Comparisons need not answer every tree again; where the rows are others, they do."""
    found, trees, _ = compared(tmp_path, GREEDY, VOTES, BEST, budgets=(20, 40))
    with StoreReader(tmp_path) as reader:
        (run,) = reader.runs()
    layout = RunLayout(tmp_path, run.name)
    rows = [row for row in read_evaluations(layout) if row.phase == found.phase]
    written = written_outcomes(layout, found.phase, rows)
    assert None not in written
    assert written == outcomes_of_rows(trees, rows, stored_orders(layout))
    others = [replace(row, accuracy=row.accuracy / 2 + 0.1) for row in rows]
    assert written_outcomes(layout, found.phase, others) == [None] * len(rows)
    layout.trees(found.phase).unlink()
    assert written_outcomes(layout, found.phase, rows) == [None] * len(rows)
