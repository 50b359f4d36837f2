"""The posterior of steps and solutions."""

from __future__ import annotations

from itertools import product
from math import log
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.answering.constants import (
    DEFAULTS,
    AnswerConstants,
    Probabilities,
    StepValues,
    at,
    constants_of,
    from_row,
    to_row,
)
from store.answering.posterior import NO_CHILDREN, posterior, shares, step_probabilities, step_value
from store.answering.rules import RULES
from store.errors import StoreError
from store.events import Critiqued, Event, Expanded, SearchRecord, Step, Valued
from store.tree import Tree, fold
from tests.store.strategies import live_searches

PLAIN = AnswerConstants(1.0, 0.5, 0.0)

CONSTANTS = st.builds(
    AnswerConstants,
    policy=st.floats(0, 3),
    value=st.floats(-2, 2),
    bias=st.floats(-3, 3),
    step_values=st.sampled_from(get_args(StepValues)),
    probabilities=st.sampled_from(get_args(Probabilities)),
)


def drawn(*rows: tuple[float | None, float | None, int]) -> Tree:
    """A root with children of these probabilities, values and samples."""
    steps = tuple(
        Step(str(place), (place,), None if p is None else log(p)) for place, (p, _, _) in enumerate(rows)
    )
    tree = fold([Expanded(0, steps, tuple(samples for _, _, samples in rows))])
    for place, (_, value, _) in enumerate(rows):
        if value is not None:
            tree.apply(Valued((place + 1,), (value,)))
    return tree


def test_children_compete_with_what_was_not_drawn() -> None:
    """W: .5 · 1, .25 · (.8 / .2)^.5, and 1 - .75 for the rest."""
    found = shares(tree := drawn((0.5, 0.5, 1), (0.25, 0.8, 1)), tree.root, PLAIN)
    assert found.left == pytest.approx(0.25)
    assert found.children == pytest.approx((0.4, 0.4))
    assert found.undrawn == pytest.approx(0.2)


def test_the_exponent_of_the_policy_is_that_of_the_rest_too() -> None:
    found = shares(tree := drawn((0.25, None, 1), (0.5, None, 1)), tree.root, AnswerConstants(2.0, 0.5, 0.0))
    whole = 0.0625 + 0.25 + 0.0625
    assert found.children == pytest.approx((0.0625 / whole, 0.25 / whole))
    assert found.undrawn == pytest.approx(0.0625 / whole)


def test_the_bias_is_for_what_was_drawn_and_no_policy_is_all_drawn() -> None:
    found = shares(tree := drawn((1.0, None, 1)), tree.root, AnswerConstants(1.0, 0.5, log(2.0)))
    assert (found.left, found.undrawn) == pytest.approx((0.02, 0.02 / 2.02))


def test_values_are_clipped() -> None:
    sure, surer = drawn((0.5, 0.997, 1), (0.25, 0.003, 1)), drawn((0.5, 1.0, 1), (0.25, 0.0, 1))
    assert shares(sure, sure.root, PLAIN) == shares(surer, surer.root, PLAIN)


def test_a_node_without_children_is_all_undrawn() -> None:
    assert shares(Tree(), Tree().root, DEFAULTS) == NO_CHILDREN


def test_without_log_probabilities_the_samples_and_one_more_give_the_shares() -> None:
    tree = drawn((None, None, 2), (0.5, None, 1))
    assert step_probabilities(tree.children(0), PLAIN) == [0.5, 0.25]
    assert shares(tree, tree.root, PLAIN).left == 0.25


def test_long_steps_are_told_apart_by_their_samples() -> None:
    steps = (Step("a", tuple(range(20)), -9.0), Step("b", tuple(range(20)), -30.0))
    tree = fold([Expanded(0, steps, (1, 2))])
    assert step_probabilities(tree.children(0), DEFAULTS) == [0.25, 0.5]
    logprob = step_probabilities(tree.children(0), AnswerConstants(probabilities="logprob"))
    assert [log(p) for p in logprob] == pytest.approx([-9.0, -30.0])
    first, second = step_probabilities(tree.children(0), AnswerConstants(probabilities="mean-logprob"))
    assert first + second == pytest.approx(0.75)
    assert log(first / second) == pytest.approx(21.0 / 20)


def test_the_value_of_a_step_alone_is_its_ratio_where_values_are_products() -> None:
    tree = fold(
        [Expanded(0, (Step("a"),), (1,)), Expanded(1, (Step("b"),), (1,)), Valued((1, 2), (0.5, 0.4))]
    )
    ratio = AnswerConstants(step_values="ratio")
    assert [step_value(tree, node, ratio) for node in tree.nodes[1:]] == pytest.approx([0.5, 0.8])
    assert [step_value(tree, node, PLAIN) for node in tree.nodes[1:]] == [0.5, 0.4]
    tree.apply(Valued((1, 2), (0.0, 0.3)))
    assert step_value(tree, tree.nodes[2], ratio) == 0.3
    assert step_value(tree, tree.root, ratio) is None


def test_a_solution_is_as_likely_as_all_its_steps_together() -> None:
    events: list[Event] = [
        Expanded(0, (Step("a", (1,), log(0.5)), Step("b", (2,), log(0.25))), (1, 1)),
        Expanded(1, (Step("c", (3,), log(0.5)),), (1,)),
        Critiqued(3, True, "1"),
    ]
    assert posterior(fold(events), PLAIN) == pytest.approx([1.0, 0.5, 0.25, 0.25])


def test_below_a_solution_nothing_is_right() -> None:
    events: list[Event] = [
        Expanded(0, (Step("a"),), (1,)),
        Critiqued(1, True, "1"),
        Expanded(1, (Step("c"),), (1,)),
    ]
    assert posterior(fold([*events, Critiqued(2, True, "2")]), PLAIN)[1:] == [0.5, 0.0]


@given(live_searches(), CONSTANTS)
def test_a_node_divides_whole(search: tuple[SearchRecord, Tree], constants: AnswerConstants) -> None:
    _, tree = search
    for node in tree.nodes:
        found = shares(tree, node, constants)
        assert found.undrawn + sum(found.children) == pytest.approx(1)
        assert all(share >= 0 for share in (found.undrawn, *found.children))
        assert 0.02 <= found.left <= 1


@given(live_searches(), CONSTANTS)
def test_the_chances_of_solutions_add_up_to_at_most_1(
    search: tuple[SearchRecord, Tree], constants: AnswerConstants
) -> None:
    record, _ = search
    tree = Tree()
    for event in record.events:
        tree.apply(event)
        chances = posterior(tree, constants)
        assert sum(chances[node.id] for node in tree.finished()) <= 1 + 1e-9
        found = RULES["posterior-vote"].run(tree, constants)
        assert found is None or (found.confidence is not None and 0 <= found.confidence <= 1)


ROWS = st.tuples(st.none() | st.floats(1e-9, 1), st.none() | st.floats(0, 1), st.integers(1, 5))


@given(st.lists(ROWS, min_size=1, max_size=5), CONSTANTS, st.randoms(use_true_random=False))
def test_the_order_of_the_children_does_not_matter(
    rows: list[tuple[float | None, float | None, int]], constants: AnswerConstants, random: object
) -> None:
    places = list(range(len(rows)))
    random.shuffle(places)  # type: ignore[attr-defined]
    one = drawn(*rows)
    other = drawn(*(rows[place] for place in places))
    first, second = shares(one, one.root, constants), shares(other, other.root, constants)
    assert [first.children[place] for place in places] == pytest.approx(list(second.children))
    assert first.undrawn == pytest.approx(second.undrawn)


@pytest.mark.parametrize(("x", "y"), [(-1, 0.2), (0, 0.2), (0.25, 0.3), (0.5, 0.4), (0.75, 0.7), (2, 1.0)])
def test_a_curve_is_linear_between_its_points(x: float, y: float) -> None:
    assert at(((0.0, 0.2), (0.5, 0.4), (1.0, 1.0)), x) == pytest.approx(y)


def test_no_points_are_the_identity_and_one_is_a_constant() -> None:
    assert at((), 0.3) == 0.3
    assert at(((0.5, 0.7),), 0.1) == at(((0.5, 0.7),), 0.9) == 0.7


def test_constants_are_stored_with_a_search() -> None:
    constants = AnswerConstants(0.7, 0.4, 0.1, "ratio", "share", ((0.0, 0.1),), {"majority": ((0.1, 0.2),)})
    assert from_row(to_row(constants)) == constants_of({"constants": to_row(constants)}) == constants
    assert constants_of({}) is constants_of({"constants": None}) is DEFAULTS


@pytest.mark.parametrize(
    "row",
    [
        7,
        {"policy": "much"},
        {"value": float("nan")},
        {"unknown": 1},
        {"step_values": "sum"},
        {"vote": [[0, 1], [0, 2]]},
        {"vote": [[1]]},
        {"confidence": [1]},
    ],
)
def test_damaged_constants_are_refused(row: object) -> None:
    with pytest.raises(StoreError, match="damaged"):
        constants_of({"constants": row})


def test_every_kind_of_probability_can_be_used_with_every_value() -> None:
    tree = drawn((0.5, 0.5, 1), (None, None, 1))
    for probabilities, values in product(get_args(Probabilities), get_args(StepValues)):
        constants = AnswerConstants(probabilities=probabilities, step_values=values)
        assert len(shares(tree, tree.root, constants).children) == 2
