"""What a report says: how searches end, groups of problems, calibration, leaders, settings, pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from restmcts.evaluation.comparison.methods import scored_methods
from restmcts.evaluation.comparison.runs import Arm, RunFigures
from restmcts.evaluation.comparison.tables import Table, compare_arms, compare_methods
from restmcts.evaluation.report.content import (
    Pair,
    Report,
    arm_leaders,
    curves,
    make_report,
    method_leaders,
    settings_table,
)
from restmcts.evaluation.report.figures import pictures
from restmcts.evaluation.report.searches import Ended, Ending, ending, failures, problem_groups
from store.events import SearchRecord
from tests.evaluation.test_evaluation_comparison import run
from tests.evaluation.test_evaluation_methods import row
from tests.store.build import record

HOSTILE = ["$\\frac{1}{", "</svg><script>alert(1)</script>", "\x1b[31m\x00深", "a" * 500]


def ended(problem: str, kind: Ending, method: str = "mcts", iteration: int = 1, number: int = 0) -> Ended:
    tree = f"{iteration}.evaluate/{problem}"
    return Ended(
        number,
        "r",
        tree,
        tree[:10],
        iteration,
        True,
        method,
        (problem, f"What is {problem}?"),
        "5",
        "6",
        kind,
    )


def with_result(**changes: Any) -> SearchRecord:
    one = record()
    return replace(one, result=replace(one.result, **changes))


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (record(), "right"),
        (record(correct=False), "wrong"),
        (with_result(answer=None, correct=None, finished=0), "no answer"),
        (with_result(answer=None, correct=None, finished=2), "answer not found"),
        (with_result(correct=None), "no verdict"),
        (with_result(reason="failed", answer=None), "failed"),
        (replace(with_result(correct=None), header=replace(record().header, oracle=None)), "not graded"),
    ],
)
def test_every_search_ends_in_one_way(one: SearchRecord, kind: str) -> None:
    assert ending(one) == kind


def test_failures_are_counted_by_phase_and_method() -> None:
    found = failures([ended("a", "right"), ended("b", "right"), ended("c", "failed", "greedy")])
    assert found["r", "1.evaluate", "mcts"] == {"right": 2}
    assert found["r", "1.evaluate", "greedy"] == {"failed": 1}


def test_problems_are_grouped_by_what_happened_to_them() -> None:
    searches = [
        ended("learned", "wrong", iteration=0),
        ended("learned", "right", iteration=2),
        ended("forgotten", "right", iteration=0),
        ended("forgotten", "wrong", iteration=2),
        ended("hard", "wrong", iteration=2),
        ended("hard", "wrong", "greedy", iteration=2),
        ended("disputed", "wrong", iteration=2),
        ended("disputed", "right", "greedy", iteration=2),
        ended("lost", "no answer", iteration=2),
    ]
    found = {group.title: [one.problem[0] for one in group.shown] for group in problem_groups(searches)}
    assert found == {
        "searches: no answer": ["lost"],
        "learned": ["learned"],
        "forgotten": ["forgotten"],
        "never right": ["forgotten", "hard"],
        "methods disagree": ["disputed"],
    }
    many = problem_groups([ended(f"p{number}", "failed") for number in range(50)])
    assert (many[0].total, len(many[0].shown)) == (50, 6)


def test_runs_are_not_mixed_up_in_groups() -> None:
    """A problem that is wrong in one run and right in another was not learned."""
    one, other = ended("p", "wrong", iteration=0), ended("p", "right", iteration=1, number=1)
    assert "learned" not in {group.title for group in problem_groups([one, other])}


def test_calibration_is_that_of_what_was_said() -> None:
    """What is said to be right in .9 of cases is so in half of them: an error of .4."""
    said = [Pair(f"p{number}", 0.9, number % 2 == 0) for number in range(40)]
    (found,) = curves({("value", "mcts"): said, ("value", "few"): said[:5]})
    assert (found.name, found.pairs) == ("mcts", 40)
    assert found.calibration.error.value == pytest.approx(0.4)
    random = np.random.default_rng(0)
    honest = [Pair(f"p{n}", p, bool(random.random() < p)) for n, p in enumerate(random.random(2000))]
    assert curves({("confidence", "ours"): honest})[0].calibration.error.value < 0.05


def test_the_leader_is_named_with_what_is_shown() -> None:
    """A ceiling leads nobody, and is led by nobody."""
    rows = [
        row("a", "+" * 40, traces=3.0, tokens=9),
        row("b", "+" * 39 + "-", traces=3.0, tokens=9),
        row("c", "-" * 40, traces=3.0, tokens=9),
        row("oracle (c)", "+" * 40, traces=3.0, tokens=1),
    ]
    (found,) = method_leaders(compare_methods(scored_methods(rows)))
    assert (found.name, found.accuracy, found.leads, found.others) == ("a", "100.0%", 1, 2)


def test_the_leader_among_arms_is_that_of_the_last_iteration() -> None:
    arms = [
        Arm(name, (run(name, right),))
        for name, right in (("A", "+" * 30), ("B", "+" * 29 + "-"), ("C", "-" * 30))
    ]
    (found,) = arm_leaders(compare_arms(arms))
    assert (found.name, found.accuracy, found.leads, found.others) == ("A", "100.0%", 1, 2)
    assert found.point.text == "after iteration 1 by greedy"


def test_settings_of_one_arm_are_all_and_of_several_those_that_differ() -> None:
    one, other = run("a", "+", top=1, same=3), run("b", "+", top=2, same=3)
    alone = settings_table([Arm("A", (one,))], [one])
    assert alone.rows == [["seeds", "1"], ["recipe", "tiny"], ["same", "3"], ["top", "1"]]
    both = settings_table([Arm("A", (one,)), Arm("B", (other,))], [one, other])
    assert both.rows == [["seeds", "1", "1"], ["top", "1", "2"]]


def report(names: list[str], searches: list[Ended] | None = None) -> Report:
    """A report of arms with these names, each with three methods of these names, too."""
    runs = [run(name, "+-++-" * 4) for name in names]
    arms = [Arm(name, (one,)) for name, one in zip(names, runs, strict=True)]
    later = [
        RunFigures(one.name, one.recipe, one.seed, {}, {replace(point, iteration=2): measured})
        for one in runs
        for point, measured in one.measured.items()
    ]
    arms = [replace(arm, runs=(*arm.runs, more)) for arm, more in zip(arms, later, strict=True)]
    rows = [
        row(name, "+-+-" * 5, traces=traces, tokens=round(50 * traces), spent=50 * traces)
        for name in names
        for traces in (1.0, 3.0)
    ]
    pairs = [Pair(f"p{number}", 0.9, number % 2 == 0) for number in range(40)]
    return make_report(
        [],
        runs,
        compare_arms(arms),
        compare_methods(scored_methods(rows)),
        searches=searches or [],
        pairs={("value", names[0]): pairs},
        values=Table("value models", ("run",), []),
        notes=names,
    )


def test_pictures_are_drawn_from_hostile_names() -> None:
    """Letters are shapes: no name is text of the file, and none ends the drawing."""
    drawn = pictures(report(HOSTILE))
    assert set(drawn) == {"methods", "iterations", "calibration"}
    for picture in [one for section in drawn.values() for one in section]:
        root = ET.fromstring(picture.svg)
        assert root.tag.endswith("svg")
        kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not kinds & {"script", "text", "image", "foreignObject", "a"}
        assert b"<script" not in picture.svg and b"\x1b" not in picture.svg
        assert b"var(--ink)" in picture.svg and b"prefers-color-scheme: dark" in picture.svg


def test_equal_reports_have_equal_pictures_and_little_ones_have_none() -> None:
    one = report(["a", "b"])
    assert pictures(one) == pictures(one)
    nothing = make_report(
        [],
        [],
        compare_arms([]),
        compare_methods([]),
        searches=[],
        pairs={},
        values=Table("value models", ("run",), []),
        notes=[],
    )
    assert pictures(nothing) == {} and not any(nothing.tables().values())
