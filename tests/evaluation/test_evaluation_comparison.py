"""Arms side by side: hand-worked differences, and what is said about them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.evaluation.comparison.differences import (
    accuracies,
    differences,
    figures,
    latest,
    progress,
    spending,
)
from restmcts.evaluation.comparison.picture import check_ending, picture
from restmcts.evaluation.comparison.runs import Arm, Measurement, Point, RunFigures, Spent, arms_of
from restmcts.evaluation.statistics import newcombe, wilson
from restmcts.evaluation.verdicts import Verdict

GREEDY = Point(False, 1, "greedy", 1.0)


def measured(right: str, first: int = 0) -> Measurement:
    """What ``right`` says, a letter a problem: + for a right answer; the first problem has this number."""
    answers = {(f"p{first + place}", "?"): letter == "+" for place, letter in enumerate(right)}
    return Measurement(right.count("+"), len(right), 10.0, 0.0, answers)


def run(name: str, right: str, *, seed: int = 1, first: int = 0, **settings: object) -> RunFigures:
    return RunFigures(
        name,
        "tiny",
        seed,
        settings,
        {GREEDY: measured(right, first)},
        {(0, "data"): Spent(100, 5, None, 1.0), (1, "data"): Spent(40, 5, None, 2.0)},
        {(1, "value.auc"): 0.5 + seed / 10},
    )


def difference(*runs: RunFigures) -> Verdict:
    (found,) = differences(arms_of(runs))
    return found


def test_runs_that_differ_in_the_seed_alone_are_one_arm() -> None:
    arms = arms_of([run("a", "+", seed=1, top=1), run("b", "+", seed=1, top=2), run("c", "+", seed=2, top=1)])
    assert [(arm.name, [one.name for one in arm.runs]) for arm in arms] == [
        ("tiny (top=1)", ["a", "c"]),
        ("tiny (top=2)", ["b"]),
    ]


def names(*settings: dict[str, object]) -> list[str]:
    return [arm.name for arm in arms_of([RunFigures(str(one), "tiny", 1, one) for one in settings])]


def test_names_of_arms_show_what_tells_them_apart() -> None:
    assert names({"x.top": 1}) == ["tiny"]
    assert names({"x.top": 1, "y": 0}, {"x.top": 2, "y": 0}) == ["tiny (top=1)", "tiny (top=2)"]
    assert names({"x.top": 1}, {}) == ["tiny (top=1)", "tiny (top=none)"]


def test_a_name_has_no_more_settings_than_it_needs() -> None:
    """The loop tells two apart from the third, and one more setting the two; the rest is left out."""
    arms: list[dict[str, object]] = [
        {"loop": "a", "b.size": 1, "a.size": 1, "a.odd": 5},
        {"loop": "a", "b.size": 2, "a.size": 1, "a.odd": 5},
        {"loop": "b", "b.size": 3, "a.size": 2, "a.odd": 6},
    ]
    assert names(*arms) == [
        "tiny (loop=a, size=1, …)",
        "tiny (loop=a, size=2, …)",
        "tiny (loop=b, size=3, …)",
    ]


def test_equal_last_parts_of_keys_are_written_whole() -> None:
    arms: list[dict[str, object]] = [{"a.n": 1, "b.n": 1}, {"a.n": 1, "b.n": 2}, {"a.n": 2, "b.n": 1}]
    assert names(*arms)[2] == "tiny (a.n=2, b.n=1)"


def test_long_settings_and_those_of_the_evaluation_come_last() -> None:
    arms: list[dict[str, object]] = [
        {"a": "x" * 99, "evaluation.n": 1, "z": 1},
        {"a": "y" * 99, "evaluation.n": 2, "z": 2},
    ]
    assert names(*arms)[0] == "tiny (z=1, …)"
    assert names({"a": "x" * 99}, {"a": "y" * 99})[0] == f"tiny (a={'x' * 24})"


def test_names_are_never_the_same() -> None:
    assert len(set(names({"a": "x" * 99 + "1"}, {"a": "x" * 99 + "2"}))) == 2


def test_pairs_are_made_problem_by_problem() -> None:
    """Of 10 problems, 6 are won and none is lost: .6, and p = 2 / 2**6."""
    found = difference(run("a", "+" * 6 + "++--", top=1), run("b", "-" * 6 + "++--", top=2))
    assert found.paired and (found.runs, found.problems) == (1, 10)
    assert found.interval.value == pytest.approx(0.6)
    assert found.p_value == pytest.approx(2 / 2**6)
    assert found.shown
    assert found.verdict.startswith("tiny (top=1) leads tiny (top=2) by 60.0 points, 95 % interval ")
    assert "after iteration 1 by greedy" in found.verdict


def test_the_leader_comes_first_whatever_the_order() -> None:
    found = difference(run("a", "-" * 10 + "+", top=1), run("b", "+" * 10 + "+", top=2))
    assert found.verdict.startswith("tiny (top=2) leads tiny (top=1) by 90.9 points, 95 % interval ")
    low, high = -100 * found.interval.high, -100 * found.interval.low
    assert f"{low:.1f} to {high:.1f}" in found.verdict


def test_what_the_interval_does_not_show_is_not_claimed() -> None:
    found = difference(run("a", "+-+-+--+", top=1), run("b", "+--++--+", top=2))
    assert not found.shown
    assert found.verdict.startswith("no difference shown between tiny (top=1) and tiny (top=2)")


def test_five_problems_are_too_few_whatever_the_interval_says() -> None:
    found = difference(run("a", "+++++", top=1), run("b", "-----", top=2))
    assert 0.1 < found.interval.low < 0.2 and found.p_value == pytest.approx(2 / 2**5)
    assert not found.shown


def test_only_problems_that_both_have_count() -> None:
    """The second run has answered problems 2 to 5; of the first's 0 to 3, two are the same."""
    found = difference(run("a", "++++", top=1), run("b", "+-++", top=2, first=2))
    assert (found.problems, found.interval.value) == (2, 0.5)


def test_other_problems_make_independent_shares() -> None:
    found = difference(run("a", "+++-", top=1), run("b", "+---", top=2, first=10))
    assert not found.paired
    assert found.interval == newcombe(wilson(3, 4), wilson(1, 4))
    assert "different problems" in found.verdict


def test_equal_names_of_other_problems_are_not_paired() -> None:
    one, other = run("a", "++", top=1), run("b", "+-", top=2)
    answers = {
        (name, "another text"): right for (name, _), right in (other.measured[GREEDY].answers or {}).items()
    }
    moved = RunFigures("b", "tiny", 1, {"top": 2}, {GREEDY: Measurement(1, 2, 1.0, 0.0, answers)})
    assert not difference(one, moved).paired


def test_seeds_are_paired_and_averaged() -> None:
    """Differences of seed 1: 1, 0, 0, 0; of seed 2: 1, 1, 0, 0. The mean of .25 and .5 is .375."""
    found = difference(
        run("a1", "++--", seed=1, top=1),
        run("a2", "+++-", seed=2, top=1),
        run("b1", "-+--", seed=1, top=2),
        run("b2", "--+-", seed=2, top=2),
        run("b3", "++++", seed=3, top=2),
    )
    assert (found.runs, found.problems) == (2, 4)
    assert found.interval.value == pytest.approx(0.375)
    assert found.p_value == 0.5, "the sign test over problems: two won, none lost"


def test_seeds_with_problems_of_their_own_are_tested_together() -> None:
    found = difference(
        run("a1", "+" * 5, seed=1, top=1),
        run("a2", "+" * 5, seed=2, top=1, first=5),
        run("b1", "-" * 5, seed=1, top=2),
        run("b2", "-" * 5, seed=2, top=2, first=5),
    )
    assert found.p_value == pytest.approx(2 / 2**10)
    assert found.shown


def test_arms_without_a_common_seed_are_compared_by_their_means() -> None:
    """Problem 0: (1 + 0)/2 - 0, problem 1: (1 + 1)/2 - 0: the mean is .75."""
    found = difference(
        run("a1", "++", seed=1, top=1), run("a2", "-+", seed=2, top=1), run("b", "--", seed=3, top=2)
    )
    assert found.paired and found.interval.value == pytest.approx(0.75)
    assert found.p_value == 0.5, "two problems won by a share each"


def test_an_arm_has_the_mean_of_its_runs() -> None:
    arms = arms_of([run("a", "++--", seed=1), run("b", "+++-", seed=2)])
    (row,) = accuracies(arms)
    assert (row.runs, row.problems, row.data_tokens) == (2, 4, 140)
    assert row.accuracy.value == pytest.approx(0.625)
    assert [found.value for found in figures(arms)] == pytest.approx([0.65])
    assert [(one.iteration, one.generated_tokens, one.seconds) for one in spending(arms)] == [
        (0, 100, 1.0),
        (1, 40, 2.0),
    ]


def test_rows_without_answers_are_compared_unpaired() -> None:
    bare = Measurement(3, 4, 1.0, 0.0, None)
    arms = [Arm("a", (RunFigures("a", "t", 1, {}, {GREEDY: bare}),)), Arm("b", (run("b", "+--+"),))]
    (found,) = differences(arms)
    assert not found.paired and found.interval.value == pytest.approx(0.25)
    assert accuracies(arms)[0].accuracy == wilson(3, 4)


def test_the_latest_differences_are_those_of_the_last_common_iteration() -> None:
    points = [Point(False, 0, "greedy"), GREEDY, Point(True, 1, "mcts", 3.0)]
    arms = [Arm(name, (RunFigures(name, name, 1, {}, {p: measured("+-") for p in points}),)) for name in "ab"]
    found = differences(arms)
    assert [row.point for row in found] == points
    assert [row.point for row in latest(found)] == points[1:]
    assert "at the end by mcts at 3 traces" in found[-1].verdict


def test_spending_adds_up() -> None:
    assert Spent(1, 2, None, 1.0) + Spent(1, 2, 3, 1.0) == Spent(2, 4, 3, 2.0)
    assert (Spent() + Spent()).trained_tokens is None


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_picture_is_drawn_from_hostile_names(kind: str) -> None:
    """Names are text: no formula, no markup, no letter that a font has not ends the drawing."""
    names = ["$\\frac{1}{", "</svg><script>alert(1)</script>", "\x1b[31m\x00深", "a" * 500]
    arms = [Arm(name, (run(name, "+-+"),)) for name in names]
    data = picture(accuracies(arms), kind)
    assert data.startswith(b"<?xml" if kind == "svg" else b"\x89PNG")
    if kind == "svg":  # compressed pixels may hold any bytes
        assert b"<script>" not in data and b"\x1b[" not in data
    assert hashlib.sha256(data).digest() == hashlib.sha256(picture(accuracies(arms), kind)).digest()


def test_a_picture_needs_a_known_ending_and_something_to_draw() -> None:
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        check_ending(Path("a.pdf"))
    with pytest.raises(InputError, match="nothing was measured"):
        picture([], "svg")


def test_the_last_iteration_is_compared_with_the_first() -> None:
    points = [Point(False, number, "greedy", 1.0) for number in (0, 1, 2)]
    answers = dict(zip(points, ("-" * 20, "+-" * 10, "+" * 15 + "-" * 5), strict=True))
    figures = RunFigures("a", "t", 1, {}, {point: measured(right) for point, right in answers.items()})
    (found,) = progress([Arm("A", (figures,))])
    assert found.verdict.startswith(
        "A after iteration 2 leads A after iteration 0 by 75.0 points, 95 % interval"
    )
    assert found.verdict.endswith("by greedy (p < 0.0001)")
    assert progress([Arm("B", (run("b", "+-"),))]) == []
