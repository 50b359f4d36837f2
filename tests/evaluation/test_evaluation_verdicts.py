"""What is said about two sides: leads, equality, and how many problems would be needed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from restmcts.evaluation.comparison.runs import Measurement
from restmcts.evaluation.power import paired_problems
from restmcts.evaluation.verdicts import Scored, Verdict, verdicts


@dataclass(frozen=True)
class At:
    tokens: int

    @property
    def text(self) -> str:
        return f"at {self.tokens} tokens"


def scored(name: str, *seeds: str, tokens: int = 800, first: int = 0) -> Scored:
    """A side with the answers of each seed: + for a right one, - for a wrong one, h for one half."""
    worth = {"+": 1.0, "-": 0.0, "h": 0.5}
    measured = {}
    for number, right in enumerate(seeds):
        answers = {(f"p{first + place}", "?"): worth[letter] for place, letter in enumerate(right)}
        measured[number, 0] = Measurement(sum(answers.values()), len(answers), 10.0, 0.0, answers)
    return Scored(name, At(tokens), measured)


def only(*sides: Scored, margin: float | None = None) -> Verdict:
    (found,) = verdicts(sides, margin=margin)
    return found


def test_a_lead_says_by_how_much_where_and_how_sure() -> None:
    """Of 120 problems 25 are won and 5 lost: 16.7 points."""
    found = only(scored("mcts", "-" * 25 + "+" * 5 + "-" * 90), scored("ours", "+" * 25 + "-" * 95))
    assert found.shown and found.p_value < 0.001
    assert found.verdict.startswith("ours leads mcts by 16.7 points, 95 % interval ")
    low, high = -100 * found.interval.high, -100 * found.interval.low
    assert f"interval {low:.1f} to {high:.1f}, at 800 tokens (p = 0.00" in found.verdict
    assert found.flips.wrong_to_right == tuple(sorted((f"p{number}", "?") for number in range(25)))


def test_no_difference_says_how_many_problems_would_show_one() -> None:
    """15 won and 11 lost of 100: 4 points with 26 % that differ."""
    found = only(scored("a", "+" * 15 + "-" * 11 + "+" * 74), scored("b", "-" * 15 + "+" * 11 + "+" * 74))
    assert not found.shown and found.needed == paired_problems(0.04, 0.26)
    assert found.verdict == (
        "no difference shown between a and b: +4.0 points, 95 % interval -6.0 to 14.0, at 800 tokens"
        " (p = 0.56); about 1,400 problems would be needed to show one of this size"
    )


def test_equal_sides_need_no_number_of_problems() -> None:
    found = only(scored("a", "+-+-"), scored("b", "+-+-"))
    assert found.needed is None and found.verdict.endswith("at 800 tokens (p = 1)")
    assert "-0.0" not in found.verdict


def test_what_rounding_leaves_is_no_difference() -> None:
    """The shares .1, .2 and .3 as computers have them add up to 2.8e-17: 1e33 problems would show that."""
    sides = []
    for name, shares in (("a", (0.1, 0.2, 0.0)), ("b", (0.0, 0.0, 0.3))):
        answers = {(f"p{number}", "?"): share for number, share in enumerate(shares)}
        sides.append(Scored(name, At(800), {(0, 0): Measurement(0.3, 3, 10.0, 0.0, answers)}))
    found = only(*sides)
    assert 0 < found.interval.value < 1e-16 and found.needed is None


def test_runs_of_other_seeds_are_compared_on_the_problems_that_all_have() -> None:
    first, more = scored("a", "++++").measured[0, 0], scored("a", "+-+-", first=2).measured[0, 0]
    found = only(Scored("a", At(800), {(1, 0): first, (2, 0): more}), scored("b", "--+-+-"))
    assert found.paired and (found.runs, found.distinct) == (1, 2)
    assert found.interval.value == pytest.approx((0.0 + 0.5) / 2)


def test_equality_within_a_margin_is_said_where_it_is_shown() -> None:
    right = "+-" * 300
    found = only(scored("a", "-" + right), scored("b", "+" + right), margin=0.02)
    assert found.equal and not found.shown
    assert found.verdict.startswith("a and b are equal within 2 points: -0.2 points, 90 % interval -")
    assert not only(scored("a", "+-+-"), scored("b", "+-+-"), margin=0.02).equal, "four problems show nothing"


def test_a_lead_that_does_not_matter_is_a_lead_all_the_same() -> None:
    found = only(scored("a", "+" * 20 + "-" * 1980), scored("b", "-" * 2000), margin=0.03)
    assert found.shown and found.equal
    assert found.verdict.endswith("; equal within 3 points")


def test_more_comparisons_ask_for_more() -> None:
    """9 won and 1 lost: p = .021 alone, and no longer among three pairs at two budgets."""
    one, other = "+" * 9 + "-" * 51, "-" * 9 + "+" + "-" * 50
    alone = only(scored("a", one), scored("b", other))
    assert alone.p_value == pytest.approx(0.0215, abs=1e-4) and alone.shown
    sides = [
        scored(name, text, tokens=t)
        for t in (1, 2)
        for name, text in zip("abc", (one, other, one), strict=True)
    ]
    found = verdicts(sides)
    assert [(row.first, row.second, row.point.text) for row in found[:3]] == [
        ("a", "b", "at 1 tokens"),
        ("a", "c", "at 1 tokens"),
        ("b", "c", "at 1 tokens"),
    ]
    assert len(found) == 6 and {row.family for row in found} == {6}
    assert found[0].p_value == alone.p_value
    assert found[0].corrected == pytest.approx(6 * alone.p_value) and not found[0].shown
    assert "Holm-corrected p = 0.13" in found[0].verdict


def test_comparisons_with_one_side_are_fewer() -> None:
    sides = [scored(name, "+-") for name in "abc"]
    found = verdicts(sides, against="b")
    assert [(row.first, row.second, row.family) for row in found] == [("a", "b", 2), ("c", "b", 2)]
    assert verdicts(sides, against="d") == []


def test_seeds_of_the_same_problems_are_clusters() -> None:
    row, other = "+" * 40 + "-" * 60, "-" * 20 + "+" * 20 + "-" * 60
    single = only(scored("a", row), scored("b", other))
    three = only(scored("a", row, row, row), scored("b", other, other, other))
    assert (three.runs, three.problems, three.distinct) == (3, 100, 100)
    assert three.interval.value == pytest.approx(single.interval.value)
    width = single.interval.high - single.interval.low
    assert three.interval.high - three.interval.low == pytest.approx(width, rel=0.15)


def test_shares_of_sampling_methods_are_compared_as_they_are() -> None:
    found = only(scored("a", "h" * 40 + "+" * 20), scored("b", "-" * 30 + "h" * 10 + "+" * 20))
    assert found.interval.value == pytest.approx(0.25) and found.shown


def test_other_problems_are_compared_as_independent_shares() -> None:
    found = only(scored("a", "+" * 30 + "-" * 30), scored("b", "+" * 10 + "-" * 50, first=100), margin=0.1)
    assert not found.paired and found.shown and not found.equal
    assert found.verdict.endswith("; measured on different problems, so compared as independent shares")
    unclear = only(scored("a", "+" * 30 + "-" * 30), scored("b", "+" * 28 + "-" * 32, first=100))
    assert "problems on each side would be needed" in unclear.verdict


def test_points_at_which_one_side_was_not_measured_are_left_out() -> None:
    assert verdicts([scored("a", "+", tokens=1), scored("b", "+", tokens=2)]) == []
    assert verdicts([scored("a", "+"), Scored("b", At(800), {})]) == []


def test_what_comparisons_keep_from_showing_asks_for_no_more_problems() -> None:
    """12 won and 1 lost of 60, among 30 comparisons; 50 problems are enough for a single one."""
    one, other = "+" * 12 + "-" * 48, "-" * 12 + "+" + "-" * 47
    found = verdicts([scored(*side, tokens=t) for t in range(30) for side in (("a", one), ("b", other))])
    assert len(found) == 30 and not found[0].shown and (found[0].needed or 0) <= 60
    assert found[0].verdict.endswith("; only the number of comparisons, or the seeds, keep it from showing")
