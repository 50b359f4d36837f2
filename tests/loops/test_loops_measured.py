"""Stored runs as a comparison reads them: the answers behind each row, what was spent, and damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from restmcts.errors import InputError
from restmcts.evaluation.comparison.runs import Measurement, Point, Spent, arms_of
from restmcts.evaluation.reading.outcomes import outcomes_at
from restmcts.loops.stored.measured import flat, outcomes_of_rows, part_of, read_run, value_aucs, verdicts
from restmcts.loops.stored.reading import reading_of
from restmcts.recipe import override_values, recipe_toml
from restmcts.search.methods.sampling import BestOfN
from store.asked import asked
from store.events import SearchRecord, Verified
from store.files.journal import Phase
from store.records import Evaluation, Metric
from store.runs.writer import RunWriter
from tests.evaluation.test_evaluation_budgets import graded
from tests.search.search_engines import engines, run, task
from tests.store.build import CHECKPOINT, open_run, record

PHASE = "1.evaluate"


def row(method: str, correct: int, problems: int = 2, budget: int | None = 100) -> Evaluation:
    share = correct / problems
    return Evaluation("", PHASE, 1, method, budget, 3.0, problems, correct, share, 0.0, 1.0, 12.0, 23.0)


def searches(*correct: bool, first: int = 0, **settings: object) -> list[SearchRecord]:
    """A search for each verdict, by one choice of a method."""
    return [
        record(first + place, PHASE, correct=right, problem=f"p{place}", settings=settings)
        for place, right in enumerate(correct)
    ]


def unchanged(trees: list[SearchRecord]) -> list[tuple[SearchRecord, SearchRecord]]:
    """Trees whose verdicts nobody has changed since they were measured."""
    return [(tree, tree) for tree in trees]


def test_rows_get_the_answers_of_their_rules_and_budgets() -> None:
    """The tree has its only answer after 20 tokens; cut at 3, there is none."""
    trees = searches(True, False)
    rows = [row("mcts", 1), row("mcts, majority", 1), row("mcts", 0, budget=3)]
    question = [tree.header.question for tree in trees]
    known = {("p0", question[0]): True, ("p1", question[1]): False}
    nothing = dict.fromkeys(known, False)
    assert verdicts(unchanged(trees), rows) == [known, known, nothing]


def test_choices_of_one_method_are_told_apart_by_their_order() -> None:
    trees = searches(True, False, branch=2) + searches(False, True, first=2, branch=3)
    rows = [row("mcts (branch=2)", 1), row("mcts (branch=3)", 1)]
    found = [list(answers.values()) for answers in verdicts(unchanged(trees), rows) if answers is not None]
    assert found == [[True, False], [False, True]]


def test_a_row_that_no_tree_gives_has_no_answers() -> None:
    trees = searches(True, False)
    assert verdicts(unchanged(trees), [row("mcts", 2)]) == [None]
    assert verdicts(unchanged(trees), [row("mcts", 1), row("another-method", 1)])[1] is None


def test_a_row_with_a_name_of_its_own_has_the_only_answers() -> None:
    assert verdicts(unchanged(searches(True, False)), [row("mcts, demonstrations only", 1)]) != [None]


def test_answers_without_a_verdict_are_no_answers() -> None:
    trees = searches(True, False)
    *before, _, stopped = trees[1].events
    trees[1] = replace(trees[1], events=(*before, Verified((), (), (3,)), stopped))
    (found,) = verdicts(unchanged(trees), [row("mcts", 1, problems=1)])
    assert found is not None and list(found.values()) == [True]


def sampled(number: int, seed: int) -> SearchRecord:
    """Traces of a problem, sampled and valued, with verdicts."""
    settings = BestOfN(samples=6, early_stop=False, read_by=["majority", "value-vote", "best-last"])
    found = run(task("best-of-n", settings, budget=60, seed=seed, number=number), engines())
    return graded(replace(found, header=replace(found.header, phase=PHASE, id=f"{PHASE}/{number}")))


def of_searches(found: SearchRecord, rule: str, budget: int, shares: Sequence[float]) -> Evaluation:
    plain = row("best-of-n", round(sum(shares)), len(shares), budget)
    return replace(plain, accuracy=fmean(shares), searches=asked(found.header), rule=rule)


def test_rows_that_name_their_searches_get_the_outcomes_of_these() -> None:
    """Two choices in one phase, with outcomes between 0 and 1; the digest tells them apart."""
    trees = [sampled(number, 50 + number) for number in range(3)] + searches(True, False, True, first=3)
    names = [(tree.header.problem, tree.header.question) for tree in trees]
    curves = [
        outcomes_at(tree, reading_of(tree.header, ["majority", "best-last"], [20, 60], orders=24))
        for tree in trees[:3]
    ]
    rows, expected = [row("mcts", 2, 3)], [dict(zip(names[3:], (1.0, 0.0, 1.0), strict=True))]
    rows[0] = replace(rows[0], searches=asked(trees[3].header), rule="best-value")
    for rule in ("best-last", "majority"):
        for place, budget in enumerate((20, 60)):
            shares = [curve[rule][place].share or 0.0 for curve in curves]
            rows.append(of_searches(trees[0], rule, budget, shares))
            expected.append(dict(zip(names, shares, strict=False)))
    assert any(0 < share < 1 for row in expected for share in row.values())
    assert outcomes_of_rows(trees, rows, 24) == expected
    wrong = [replace(rows[0], accuracy=1.0), replace(rows[1], searches="0123"), replace(rows[1], rule="none")]
    assert outcomes_of_rows(trees, wrong, 24) == [None, None, None]


def test_how_a_stored_search_is_read_follows_from_its_header() -> None:
    header = sampled(0, 1).header
    reading = reading_of(header, ["majority", "value-vote", "best-likelihood"], [9])
    assert (reading.exchangeable, reading.unvalued) == (0, frozenset({"majority", "best-likelihood"}))
    assert asked(header) == asked(sampled(5, 2).header) == reading.choice
    assert asked(header) != asked(replace(header, budget=61)) != asked(replace(header, policy="other"))
    guided = reading_of(replace(header, method="mcts", settings={}), ["majority"], [9])
    assert (guided.exchangeable, guided.unvalued) == (None, frozenset())
    unknown = reading_of(replace(header, method="of a plug-in"), ["majority"], [9])
    assert (unknown.exchangeable, unknown.unvalued) == (None, frozenset())


def fill(writer: RunWriter) -> None:
    writer.start_phase("1.search", "search", 1)
    writer.add_metric(Metric("", "1.search", None, "data.pass_at_1", 0.25))
    writer.add_metric(Metric("", "1.search", None, "engine.busy", 0.5))
    writer.finish_phase("1.search", {"policy_tokens": 70, "critic_tokens": 5, "value_tokens": 9})
    writer.start_phase("1.train-value", "train", 1)
    writer.add_checkpoint(
        replace(
            CHECKPOINT, kind="value", path="checkpoints/1/value", metrics={"auc": 0.75, "auc.depth_2": 0.5}
        )
    )
    writer.finish_phase("1.train-value", {"tokens": 1000})
    writer.start_phase(PHASE, "evaluate", 1)
    for tree in searches(True, False):
        writer.add_tree(tree)
    writer.add_evaluation(row("mcts", 1))
    writer.finish_phase(PHASE, {"policy_tokens": 24, "value_tokens": 46})
    writer.start_phase("eval-0123", "evaluate", 1)
    writer.add_evaluation(replace(row("mcts", 1), phase="eval-0123"))
    writer.finish_phase("eval-0123", {})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with open_run(tmp_path, config='recipe = "tiny"\nseed = 7\n[generation]\nbudget = 40\n') as writer:
        fill(writer)
    return tmp_path


def test_a_run_is_read_from_its_files(root: Path) -> None:
    for path in root.glob("index.db*"):
        path.unlink()
    found = read_run(root, "first", "elsewhere/first")
    assert (found.name, found.recipe, found.seed) == ("elsewhere/first", "tiny", 7)
    assert found.settings == {"generation.budget": 40}
    assert found.figures == {
        (1, "data.pass_at_1"): 0.25,
        (1, "value.auc"): 0.75,
        (1, "value.auc.depth_2"): 0.5,
    }
    assert list(found.measured) == [Point(False, 1, "mcts", 3.0)], "what `restmcts eval` measured is left out"
    (measured,) = found.measured.values()
    assert isinstance(measured, Measurement) and measured.answers is not None
    assert sorted(measured.answers.values()) == [False, True]
    spent = {part: replace(one, seconds=0.0) for (_, part), one in found.spent.items()}
    assert spent == {
        "data": Spent(75, 9),
        "training": Spent(0, 0, 1000),
        "evaluation": Spent(24, 46),
    }
    assert found.notes == []


def test_keys_that_came_later_have_their_defaults(tmp_path: Path) -> None:
    """Runs of two versions whose recipes are the same are one arm."""
    values = {"recipe": "any", "models": {"policy": "folder"}, "problems": {"train": "train.jsonl"}}
    now_text = recipe_toml(override_values(values, (), ""))
    before_text = now_text.replace("base_urls = []\n", "")
    assert before_text != now_text
    for name, text in (("now", now_text), ("before", before_text)):
        open_run(tmp_path, name, text).close()
    now, before = (read_run(tmp_path, name, name) for name in ("now", "before"))
    assert now.settings == before.settings
    assert [len(arm.runs) for arm in arms_of([now, before])] == [2]


def test_damaged_trees_leave_the_row(root: Path) -> None:
    path = root / "runs" / "first" / "trees" / f"{PHASE}.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"oracle":"5"', b'"oracle":"6"'))
    found = read_run(root, "first", "first")
    (measured,) = found.measured.values()
    assert (measured.correct, measured.problems, measured.answers) == (1, 2, None)
    assert len(found.notes) == 1 and f"{path}:1" in found.notes[0]


def test_trees_that_are_gone_leave_the_row(root: Path) -> None:
    (root / "runs" / "first" / "trees" / f"{PHASE}.jsonl").unlink()
    found = read_run(root, "first", "first")
    assert [one.answers for one in found.measured.values()] == [None]
    assert "do not give the row of mcts" in found.notes[0]


def test_damaged_figures_are_told(root: Path) -> None:
    path = root / "runs" / "first" / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.35"))
    found = read_run(root, "first", "first")
    assert found.figures == {} and "metrics.jsonl:1" in found.notes[0]


def test_a_run_that_is_not_there_is_bad_input(root: Path) -> None:
    with pytest.raises(InputError, match="no run 'other'"):
        read_run(root, "other", "other")


@pytest.mark.parametrize(
    ("name", "kind", "part"),
    [
        ("1.search", "search", "data"),
        ("1.judge", "label", "data"),
        ("1.validate", "search", "evaluation"),
        ("1.train-policy", "train", "training"),
        ("1.evaluate", "evaluate", "evaluation"),
    ],
)
def test_what_phases_spend_for(name: str, kind: str, part: str) -> None:
    assert part_of(Phase(name, kind, 1, "")) == part


def test_nested_tables_become_dotted_keys() -> None:
    assert flat({"a": 1, "b": {"c": {"d": [2]}, "e": {}}}) == {"a": 1, "b.c.d": [2], "b.e": {}}


def test_of_two_value_models_the_one_that_was_carried_on_has_the_figure() -> None:
    start = replace(CHECKPOINT, iteration=0, kind="start", carried=True, metrics={"auc": 0.75})
    trained = replace(start, kind="value", carried=False, metrics={"auc": 0.5})
    assert value_aucs([start, trained]) == {(0, "value.auc"): 0.75}
    assert value_aucs([start, replace(trained, carried=True)]) == {(0, "value.auc"): 0.5}
    assert value_aucs([trained, replace(start, metrics={})]) == {(0, "value.auc"): 0.5}
