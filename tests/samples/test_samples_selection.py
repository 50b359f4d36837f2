"""The filters by which traces are selected, on trees worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.samples.policy import find
from restmcts.samples.selection import SelectionSettings, choose, filters
from tests.samples.made_trees import search, text, verified

EASY = search(
    [("abc", True), ("abc", True), ("d", True), ("ef", True), ("g", False)],
    problem="easy",
    values={"abc": 0.5, "d": 0.9, "ef": 0.1},
)
HARD = search([("a  b", True), ("a b", True), ("x", False), ("y", False), ("z", False)], problem="hard")
SOLVED = search([("q", True), ("q", True)], problem="solved")
WRONG = search([("q", False), ("r", None)], problem="wrong")
TREES = verified(EASY, HARD, SOLVED, WRONG)


def chosen(**keys: Any) -> tuple[dict[str, list[str]], dict[str, int]]:
    found = find(TREES)
    kept = choose(found.traces, filters(SelectionSettings(**keys), found))
    texts: dict[str, list[str]] = {}
    for trace in kept.traces:
        texts.setdefault(trace.problem, []).append(text(trace))
    return texts, {name: count for name, count in kept.removed.items() if count}


def test_by_default_the_two_traces_of_the_largest_values() -> None:
    assert chosen() == (
        {"easy": ["d", "abc"], "hard": ["a  b", "a b"], "solved": ["q"]},
        {"top": 1},
    )


@pytest.mark.parametrize(
    ("order", "first"), [("value", "d"), ("shortest", "d"), ("longest", "abc"), ("samples", "abc")]
)
def test_the_order_says_which_traces_come_first(order: str, first: str) -> None:
    texts, removed = chosen(order=order, top=1)
    assert texts["easy"] == [first]
    assert removed == {"top": 3}


def test_equal_lengths_keep_the_order_of_the_values() -> None:
    assert chosen(order="shortest", top=3)[0]["easy"] == ["d", "ef", "abc"]


def test_the_threshold_alone_and_with_the_number_of_traces() -> None:
    assert chosen(by="threshold", threshold=0.5) == ({"easy": ["d", "abc"]}, {"threshold": 4})
    assert chosen(by="both", threshold=0.5, top=1) == ({"easy": ["d"]}, {"threshold": 4, "top": 1})


def test_traces_that_differ_in_white_space_alone_are_one() -> None:
    texts, removed = chosen(distinct="words")
    assert texts["hard"] == ["a  b"]
    assert removed == {"distinct": 1, "top": 1}


def test_problems_that_are_solved_too_often_are_dropped() -> None:
    """easy: 4 of 5 samples are right; hard: 2 of 5; solved: all."""
    assert chosen(drop_solved=1.0)[0].keys() == {"easy", "hard"}
    assert chosen(drop_solved=0.8)[0].keys() == {"hard"}
    assert chosen(drop_solved=0.8)[1] == {"drop_solved": 4}


def test_easier_problems_keep_fewer_traces() -> None:
    """easy: ⌈3 · .2⌉ = 1 trace, hard: ⌈2 · .6⌉ = 2, solved: at least 1."""
    texts, removed = chosen(top=3, balance=True)
    assert {problem: len(traces) for problem, traces in texts.items()} == {"easy": 1, "hard": 2, "solved": 1}
    assert removed == {"balance": 2}


VERDICTS = st.lists(
    st.tuples(st.text("abc ", min_size=1, max_size=3), st.booleans()),
    min_size=1,
    max_size=8,
    unique_by=lambda pair: pair[0],
).filter(lambda traces: not any(a != b and b.startswith(a) for a, _ in traces for b, _ in traces))

KEYS = st.fixed_dictionaries(
    {},
    optional={
        "by": st.sampled_from(["rank", "threshold", "both"]),
        "threshold": st.sampled_from([0.0, 0.5]),
        "top": st.integers(1, 3),
        "order": st.sampled_from(["value", "shortest", "longest", "samples"]),
        "distinct": st.sampled_from(["text", "words"]),
        "drop_solved": st.sampled_from([None, 0.5, 1.0]),
        "balance": st.booleans(),
    },
)


@given(traces=VERDICTS, keys=KEYS)
def test_no_wrong_trace_is_ever_selected_and_all_are_accounted_for(
    traces: list[tuple[str, bool]], keys: dict[str, Any]
) -> None:
    found = find(verified(search(traces)))
    kept = choose(found.traces, filters(SelectionSettings(**keys), found))
    right = {trace for trace, verdict in traces if verdict}
    assert {text(trace) for trace in kept.traces} <= right
    assert len(kept.traces) + sum(kept.removed.values()) == len(right)
