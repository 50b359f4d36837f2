"""Beam search, DVTS and REBASE, worked out by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.search.methods.beam import BeamSearch
from restmcts.search.methods.dvts import Dvts
from restmcts.search.methods.rebase import Rebase, share_out
from restmcts.search.passes import IDLE_PASSES
from restmcts.search.registry import METHODS, method_settings
from restmcts.search.requests import Complete, ProposeEach
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.events import Selected

FRONTIER = ["beam", "dvts", "rebase"]

ONE_PASS: dict[str, Any] = {"repeat": False, "early_stop": False}

# root: a .5, b .75, c .25, a again;  a: d .875, finished, e .375;  b: f .625, g .25;  f: h .125, finished
WORLD: dict[str, Any] = {
    "propose": {
        (): ["a", "b", "c", "a"],
        ("a",): ["d", "e"],
        ("b",): ["f", "g"],
        ("b", "f"): ["h", "h"],
        ("a", "e"): ["i", "i"],
    },
    "value": {
        ("a",): 0.5, ("b",): 0.75, ("c",): 0.25,
        ("a", "d"): 0.875, ("a", "e"): 0.375,
        ("b", "f"): 0.625, ("b", "g"): 0.25,
        ("b", "f", "h"): 0.125, ("a", "e", "i"): 0.75,
    },
    "finished": {("a", "d"), ("b", "f", "h"), ("a", "e", "i")},
}  # fmt: skip


def selected(found: ScriptedSearch) -> list[str]:
    return [found.tree.text(event.node) for event in found.events if isinstance(event, Selected)]


def asked(found: ScriptedSearch) -> list[list[tuple[str, int]]]:
    """After what how many steps were sampled, request by request."""
    return [
        [(found.tree.text(proposal.prefix.node), proposal.n) for proposal in request.proposals]
        for request in found.asked
        if isinstance(request, ProposeEach)
    ]


def beam(**settings: Any) -> ScriptedSearch:
    return scripted_search("beam", BeamSearch(**{"width": 4, "branch": 2, **ONE_PASS, **settings}), **WORLD)


def test_beam_search_keeps_the_best_and_a_finished_one_keeps_its_place() -> None:
    """Of 4 / 2 places, b and a go on; then d is finished and holds one, so e goes no further; then h."""
    found = beam()
    assert asked(found) == [[("", 4)], [("b", 2), ("a", 2)], [("bf", 2)]]
    assert selected(found) == ["", "b", "a", "bf"]
    assert found.node("a").samples == 2
    assert found.outcome.reason == "answered"
    # d: 1/2 of the samples at the root, 1/2 of those of a, value .875; h: 1/4, 1/2, all of those of f, .125
    assert found.answer == "d"


def test_beam_search_ends_at_its_depth() -> None:
    assert asked(beam(depth=2)) == [[("", 4)], [("b", 2), ("a", 2)]]


def test_beam_search_that_would_keep_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="width 3 is below branch 4: nothing would be kept"):
        method_settings("beam", {"width": 3}, "here")


def test_beam_search_stops_at_the_best_solution_at_the_gate() -> None:
    found = beam(early_stop=True, end_gate=0.875)
    assert (found.outcome.reason, found.answer) == ("gate", "d")
    assert selected(found) == ["", "b", "a"]


def test_subtrees_follow_their_own_best_step() -> None:
    """The first subtree draws a and b, the second c and a: they follow b and a, and a's d is finished."""
    found = scripted_search("dvts", Dvts(subtrees=2, branch=2, **ONE_PASS), **WORLD)
    assert asked(found) == [[("", 2), ("", 2)], [("b", 2), ("a", 2)], [("bf", 2)]]
    assert found.node("a").samples == 2
    assert (found.outcome.reason, found.answer) == ("answered", "d")


def test_subtrees_at_the_same_node_stay_apart() -> None:
    """Both follow a, and sample d and e there, each for itself: one ends in d, the other goes on from e."""
    draws: dict[str, Any] = {**WORLD, "propose": {(): ["a"] * 2, ("a",): ["d", "e"], ("a", "e"): ["i"]}}
    found = scripted_search("dvts", Dvts(subtrees=2, branch=1, **ONE_PASS), **draws)
    assert asked(found) == [[("", 1), ("", 1)], [("a", 1), ("a", 1)], [("ae", 1)]]
    assert sorted(node.answer or "" for node in found.tree.finished()) == ["d", "i"]


def test_rebase_shares_samples_out_by_value_and_a_solution_takes_one_away() -> None:
    """A step that was drawn twice, as a was, gets what two steps with its value would get."""
    found = scripted_search("rebase", Rebase(width=4, balance=1.0, **ONE_PASS), **WORLD)
    # weights of a, b, c, a: .779 1 .607 .779, in all 3.164; of 4 samples .984 1.264 .767 .984: 1 each
    # below: d is finished, e .375, f .625, nothing after c; 4 - 1 samples for e and f: 1.313 and 1.687
    assert asked(found)[:2] == [[("", 4)], [("a", 2), ("b", 1), ("c", 1)]]
    after = [pairs for pairs in asked(found) if {text for text, _ in pairs} <= {"ae", "bf"}]
    assert after == [[("ae", 1), ("bf", 2)]]
    # i and twice h are finished: the last three samples
    assert [node.samples for node in found.tree.finished()] == [1, 1, 2]
    assert found.outcome.reason == "answered"


def test_rebase_without_patience_for_small_values_follows_the_best() -> None:
    found = scripted_search("rebase", Rebase(width=4, balance=0.01, **ONE_PASS), **WORLD)
    assert asked(found)[:2] == [[("", 4)], [("b", 4)]]


VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)
BALANCES = st.floats(1e-3, 1e3)


@given(samples=st.integers(0, 300), values=VALUES, balance=BALANCES)
def test_shares_add_up_and_grow_with_the_value(samples: int, values: list[float], balance: float) -> None:
    shares = share_out(samples, values, balance)
    assert sum(shares) == samples
    assert min(shares) >= 0
    by_value = sorted(zip(values, shares, strict=True))
    assert all(one[1] <= other[1] for one, other in pairwise(by_value) if one[0] < other[0])


@given(samples=st.integers(0, 300), number=st.integers(1, 20), value=st.floats(0, 1), balance=BALANCES)
def test_equal_values_have_equal_shares(samples: int, number: int, value: float, balance: float) -> None:
    shares = share_out(samples, [value] * number, balance)
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


def test_shares_worked_by_hand() -> None:
    """Balance 1/ln 2 doubles the weight with each unit of value: 1 : 2 : 4 of 7, of 9 and of 3."""
    balance = 1 / 0.6931471805599453
    assert share_out(7, [0.0, 1.0, 2.0], balance) == [1, 2, 4]
    assert share_out(9, [0.0, 1.0, 2.0], balance) == [1, 3, 5]  # 1.29 2.57 5.14
    assert share_out(3, [0.0, 1.0, 2.0], balance) == [0, 1, 2]  # .43 .86 1.71


@pytest.mark.parametrize("method", FRONTIER)
def test_a_search_repeats_until_nothing_new_comes(method: str) -> None:
    """The second pass finds b; then nothing new comes, ten times in a row."""
    draws = iter("abaaab")
    small: dict[str, Any] = {
        "beam": {"width": 1, "branch": 1},
        "dvts": {"subtrees": 1, "branch": 1},
        "rebase": {"width": 1},
    }
    found = scripted_search(
        method,
        method_settings(method, {"early_stop": False, **small[method]}, "here"),
        propose=lambda path: next(draws, "a"),
        value={("a",): 0.5, ("b",): 0.75},
        finished={("a",), ("b",)},
    )
    assert found.outcome.reason == "exhausted"
    assert len(selected(found)) == 2 + IDLE_PASSES
    assert [node.samples for node in found.tree.finished()] == [IDLE_PASSES, 2]


@pytest.mark.parametrize("method", FRONTIER)
def test_an_empty_policy_ends_the_search(method: str) -> None:
    found = scripted_search(method, METHODS[method].settings(), propose={}, value={})
    assert (found.outcome.reason, found.answer) == ("exhausted", None)


# A greedy trace first

GREEDY_FIRST = ["tot-bfs", "tot-dfs", *FRONTIER]


def greedy_first(method: str, **settings: Any) -> ScriptedSearch:
    """The greedy trace is x, y; every other draw is z, which is finished."""
    trace = iter("xy")
    chosen = method_settings(method, {"greedy_first": True, **settings}, "here")
    return scripted_search(
        method,
        chosen,
        propose=lambda path: next(trace, "z"),
        value=lambda path: 0.875 if path[-1] == "y" else 0.5,
        finished=lambda path: path[-1:] in {("y",), ("z",)},
    )


@pytest.mark.parametrize("method", GREEDY_FIRST)
def test_a_greedy_trace_comes_first_as_nodes_like_any_other(method: str) -> None:
    found = greedy_first(method, **ONE_PASS)
    first = found.asked[0]
    assert isinstance(first, Complete) and (first.n, first.temperature) == (1, 0.0)
    assert [found.node("x").score, found.node("x", "y").score, found.node("z").score] == [0.5, 0.875, 0.5]
    assert found.node("x").critiqued and found.node("x").samples == 1
    assert not any(isinstance(request, Complete) for request in found.asked[1:])
    # Label rules that estimate by whole traces need sampled ones.
    assert found.tree.traces == {}


@pytest.mark.parametrize("method", GREEDY_FIRST)
def test_a_greedy_trace_at_the_gate_ends_the_search(method: str) -> None:
    found = greedy_first(method, end_gate=0.875)
    assert (found.outcome.reason, found.answer, len(found.tree.nodes)) == ("gate", "y", 3)
