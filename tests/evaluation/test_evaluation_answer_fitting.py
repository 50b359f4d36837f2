"""Constants of answer rules that are fitted on known trees."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import exp, log
from pathlib import Path
from random import Random

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from restmcts.errors import InputError
from restmcts.evaluation.answer_file import ANSWERS, answer_file, read_answer_file
from restmcts.evaluation.answer_fitting import (
    MOST_POINTS,
    Choice,
    Fitted,
    KnownTree,
    choices_in,
    confidence_curve,
    fit_constants,
    fit_weights,
    moments,
    rising,
)
from store.answering.constants import AnswerConstants, at
from store.events import Critiqued, Event, Extended, SearchRecord, Step, Valued, Verified
from tests.store.build import record as built


def search(events: list[Event], problem: str = "p") -> SearchRecord:
    record = built(0, "0.search")
    return replace(record, header=replace(record.header, problem=problem), events=tuple(events))


def traces(*rows: tuple[str, str]) -> KnownTree:
    """Traces of two steps; those that begin with r are right, and so is their answer."""
    events: list[Event] = []
    nodes: dict[str, int] = {}
    for first, last in rows:
        events.append(Extended(0, (Step(first, (1,), log(0.5)), Step(last, (2,), log(0.25)))))
        for text in (first, first + last):
            if text not in nodes:
                nodes[text] = len(nodes) + 1
        events.append(Critiqued(nodes[first + last], True, last))
    right = [None, *(text.startswith("r") and not text.endswith("w") for text in nodes)]
    finished = [number for text, number in nodes.items() if len(text) == 2]
    events.append(Verified(tuple(finished), tuple(bool(right[number]) for number in finished)))
    return KnownTree(search(events), [None, *([0.75] * len(nodes))], right)


def test_trees_are_seen_as_they_grew_with_the_known_values() -> None:
    known = traces(("r", "a"), ("x", "b"), ("r", "c"), ("x", "d"), ("x", "b"))
    sizes = [(len(tree.nodes), sum(node.finished for node in tree.nodes)) for tree in moments(known)]
    assert sizes == [(3, 1), (5, 2), (7, 4), (7, 4)]
    assert all(node.score == 0.75 for tree in moments(known) for node in tree.nodes[1:])


def test_steps_compete_at_right_partial_solutions_as_they_were_drawn() -> None:
    """At the root x alone, then r too; below r first w, which is wrong, then a; nothing below x."""
    known = traces(("x", "b"), ("r", "w"), ("r", "w"), ("r", "a"))
    found = list(choices_in([known], AnswerConstants(probabilities="logprob")))
    assert [one.right for one in found] == [(), (1,), (), (1,)]
    assert [len(one.log_odds) for one in found] == [1, 2, 1, 2]
    assert found[1].log_probabilities == pytest.approx((log(0.5), log(0.5)))
    assert found[1].left == pytest.approx(log(0.02))
    assert found[2].left == pytest.approx(log(0.75))
    assert found[0].log_odds == pytest.approx((log(3),))


def test_where_nobody_knows_a_step_nothing_is_learned() -> None:
    known = traces(("x", "b"), ("r", "a"))
    unknown = replace(known, right=[None, None, *known.right[2:]])
    assert [one.problem for one in choices_in([unknown], AnswerConstants())] == ["p"]  # below r


def simulated(weights: tuple[float, float, float], count: int, random: Random) -> list[Choice]:
    """Choices that are made with these weights."""
    policy, value, bias = weights
    found = []
    for number in range(count):
        probabilities = [random.uniform(0.05, 0.4) for _ in range(random.choice((1, 2)))]
        odds = [random.gauss(0, 2) for _ in probabilities]
        left = 1 - sum(probabilities)
        chances = [
            *(exp(policy * log(p) + value * o + bias) for p, o in zip(probabilities, odds, strict=True)),
            left**policy,
        ]
        chosen = random.choices(range(len(chances)), chances)[0]
        right = () if chosen == len(probabilities) else (chosen,)
        found.append(Choice(str(number), tuple(map(log, probabilities)), tuple(odds), log(left), right))
    return found


@pytest.mark.parametrize("weights", [(1.0, 0.5, 0.75), (0.6, 1.2, -0.5), (1.5, 0.1, 1.5)])
def test_the_weights_of_simulated_choices_are_found(weights: tuple[float, float, float]) -> None:
    found, _ = fit_weights(simulated(weights, 4000, Random(7)))
    assert found == pytest.approx(weights, abs=0.15)


def test_a_value_that_says_nothing_has_no_weight() -> None:
    found, _ = fit_weights(simulated((1.0, 0.0, 0.5), 4000, Random(3)))
    assert found[1] < 0.05


def many(count: int, random: Random) -> list[KnownTree]:
    """Trees whose right traces have larger values, and of which the likelier step is more often right."""
    trees = []
    for number in range(count):
        right = "r" if random.random() < 0.6 else "x"
        rows = [right if random.random() < 0.7 else "x" for _ in range(4)]
        known = traces(*((first, "a" if first == "r" else "b") for first in rows))
        values = [None, *((0.8 if right else 0.3) + random.uniform(-0.3, 0.2) for right in known.right[1:])]
        named = replace(known.record, header=replace(known.record.header, problem=f"p{number}"))
        trees.append(replace(known, record=named, values=values))
    return trees


def test_a_confidence_that_is_a_probability_keeps_what_it_is() -> None:
    random = Random(2)
    rows = [(f"p{number}", random.random()) for number in range(400)]
    assert confidence_curve([(name, x, random.random() < x) for name, x in rows]) == ()
    bold = confidence_curve([(name, x, random.random() < x / 2) for name, x in rows])
    assert at(bold, 0.8) == pytest.approx(0.4, abs=0.1)


def test_a_problem_is_one_case_however_many_answers_it_had() -> None:
    """A thousand answers of one problem say less than forty problems."""
    rows = [("much", 0.7, False)] * 1000 + [(f"p{number}", 0.7, number % 10 < 9) for number in range(40)]
    rows += [(f"q{number}", 0.1, False) for number in range(40)]
    assert at(confidence_curve(rows), 0.7) > 0.7


def test_everything_is_fitted_where_there_is_enough() -> None:
    fitted = fit_constants(many(150, Random(5)), "score")
    assert fitted.notes == ()
    assert fitted.counts["problems"] == 150
    assert fitted.constants.value > 0.5  # right steps have far larger values
    assert at(fitted.constants.vote, 0.9) > 0.8 > 0.2 > at(fitted.constants.vote, 0.1)
    assert set(fitted.constants.confidence) == {
        "majority", "value-vote", "calibrated-vote", "posterior-vote",
    }  # fmt: skip
    again = fit_constants(many(150, Random(5)), "score")
    assert again == fitted


def test_with_too_little_the_defaults_stay_and_it_is_said() -> None:
    fitted = fit_constants(many(8, Random(5)), "ratio")
    assert fitted.constants == AnswerConstants(step_values="ratio")
    assert fitted.notes[0] == "policy, value and bias: 8 held-out problems are fewer than 20"
    assert len(fitted.notes) == 6
    assert fit_constants([], "score").constants == AnswerConstants()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
@example([(1 - 2**-53, False)])
@settings(deadline=None)  # the first call imports scikit-learn
def test_a_fitted_curve_rises_and_stays_a_probability(rows: list[tuple[float, bool]]) -> None:
    curve = rising([x for x, _ in rows], [y for _, y in rows])
    assert 1 <= len(curve) <= MOST_POINTS
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(curve))
    assert all(0.01 - 1e-9 <= y <= 0.99 + 1e-9 for _, y in curve)


def test_a_fitted_curve_is_the_probability_and_keeps_the_order() -> None:
    random = Random(1)
    x = [random.random() for _ in range(4000)]
    curve = rising(x, [random.random() < value**2 for value in x])
    for value in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert at(curve, value) == pytest.approx(value**2, abs=0.06)
    inside = [value for value in x if 0.2 < value < 0.9]
    assert spearmanr(inside, [at(curve, value) for value in inside]).statistic > 0.999


FITTED = Fitted(AnswerConstants(0.9, 0.4, 0.2, "ratio", "share", ((0.1, 0.2),)), {"problems": 3}, ("few",))


def test_fitted_constants_are_read_back(tmp_path: Path) -> None:
    assert read_answer_file(tmp_path, "product") is None
    (tmp_path / ANSWERS).write_bytes(answer_file(FITTED, "product"))
    assert read_answer_file(tmp_path, "product") == FITTED.constants
    assert read_answer_file(tmp_path, "last") is None
    row = orjson.loads((tmp_path / ANSWERS).read_bytes())
    assert (row["counts"], row["notes"], row["format"]) == ({"problems": 3}, ["few"], 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:50], "not JSON"),
        (lambda text: text.replace(b"0.9", b"0.8"), "not what was written"),
        (lambda text: text.replace(b'"format": 1', b'"format": 2'), "is not of format 1"),
        (lambda text: b"[]", "is damaged"),
        (lambda text: b"{}", "is damaged"),
        (lambda text: b" " * (2**20 + 1), "too long"),
    ],
)
def test_a_damaged_file_of_constants_is_refused(tmp_path: Path, change: object, said: str) -> None:
    (tmp_path / ANSWERS).write_bytes(change(answer_file(FITTED, "product")))  # type: ignore[operator]
    with pytest.raises(InputError, match=said):
        read_answer_file(tmp_path, "product")


def test_values_of_events_do_not_count() -> None:
    """The trees may have been searched with another value model."""
    known = traces(("r", "a"))
    events = (*known.record.events[:-1], Valued((1, 2), (0.1, 0.1)), known.record.events[-1])
    with_values = replace(known, record=replace(known.record, events=events))
    assert [node.score for tree in moments(with_values) for node in tree.nodes[1:]] == [0.75] * 2
