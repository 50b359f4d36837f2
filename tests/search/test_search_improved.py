"""The improved MCTS*, worked out by hand; and the one rule of early stop."""

from __future__ import annotations

from typing import Any

import pytest

from restmcts.search.methods.mcts_improved import ImprovedMcts
from restmcts.search.registry import METHODS
from restmcts.search.requests import Complete, Propose, Value
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.events import Selected

WORLD: dict[str, Any] = {
    "propose": {(): ["a", "b"], ("a",): ["x", "y"], ("a", "x"): ["z"]},
    "value": {
        ("a",): 0.75, ("a", "x"): 0.25, ("a", "y"): 0.5, ("a", "x", "z"): 0.125, ("b",): 1.0,
    },
    "finished": {("a", "y"), ("a", "x", "z"), ("b",)},
}  # fmt: skip


def search(**settings: Any) -> ScriptedSearch:
    return scripted_search("mcts-improved", ImprovedMcts(**({"accept": 0.5} | settings)), **WORLD)


def selected(found: ScriptedSearch) -> list[str]:
    return [
        "".join(step.text for step in found.tree.steps(event.node))
        for event in found.events
        if isinstance(event, Selected)
    ]


def test_gated_walks_widening_and_closed_leaves() -> None:
    """accept .5, widening 1: a node with N visits may have ceil(sqrt N) children.

    round  selected                        walk                                 backup
    1      root                            a .75 (root has no score: accepted)  y N 1
                                           x .25 < .5·.75: drawn again          a N 1, V .5
                                           y .5, finished                       root N 1, V .5
    2      root has 1 of 1 children: a     z .125 ≥ .5·.25, finished            z N 1, V .125; x N 1, V .125
           a has 2 of 1: y is closed: x                                         a N 2, V (.5 + .125)/2
                                                                                root N 2, V .3125
    3      root has 1 of 2 children: root  b 1.0, finished                      b N 1
                                                                                root N 3, V (2·.3125 + 1)/3
    """
    found = search(rounds=3)
    assert selected(found) == ["", "ax", ""]
    assert found.table() == {
        (): (3, (2 * 0.3125 + 1) / 3),
        ("a",): (2, 0.3125),
        ("a", "x"): (1, 0.125),
        ("a", "y"): (1, 0.5),
        ("a", "x", "z"): (1, 0.125),
        ("b",): (1, 1.0),
    }
    assert (found.outcome.reason, found.answer) == ("gate", "b")


def test_without_early_stop_the_rounds_run_out() -> None:
    found = search(rounds=3, early_stop=False)
    assert found.outcome.reason == "rounds"
    assert found.answer == "b"  # the value vote: b 1.0, y .5, z .125


def test_when_no_draw_is_good_enough_the_best_one_is_followed() -> None:
    """Below a .75 the floor is .75: x .25 and y .5 fail, further draws are empty; y is followed."""
    found = search(rounds=1, accept=1.0, redraws=3)
    assert found.visits("a", "y") == 1
    assert found.visits("a", "x") == 0


def test_no_redraw_follows_what_came_first() -> None:
    found = search(rounds=1, accept=1.0, redraws=0)
    assert found.visits("a", "x", "z") == 1
    with pytest.raises(KeyError):
        found.node("a", "y")


def test_a_step_that_is_drawn_again_is_counted() -> None:
    """Every round starts at the root: a is finished, so is a again, then b."""
    world: dict[str, Any] = {
        "propose": {(): ["a", "a", "b"]},
        "value": {("a",): 0.25, ("b",): 1.0},
        "finished": {("a",), ("b",)},
    }
    found = scripted_search("mcts-improved", ImprovedMcts(rounds=3, early_stop=False), **world)
    assert {node.step.text: node.samples for node in found.tree.nodes[1:] if node.step} == {"a": 2, "b": 1}
    values = [request for request in found.asked if isinstance(request, Value)]
    assert len(values) == 2  # what is there already is not scored again


def test_a_walk_ends_at_the_depth_and_where_no_step_comes() -> None:
    found = search(rounds=1, depth=1)
    assert found.table() == {(): (1, 0.75), ("a",): (1, 0.75)}
    assert not found.node("a").finished
    cut: dict[str, Any] = {**WORLD, "propose": {(): ["a"]}}
    found = scripted_search("mcts-improved", ImprovedMcts(rounds=1), **cut)
    assert found.node("a").finished and found.node("a").answer is None


def test_where_nothing_comes_no_more_is_drawn() -> None:
    """After a, and with only a refused x below it, the policy writes nothing more."""
    world: dict[str, Any] = {"propose": {(): ["a"], ("a",): ["x"]}, "value": {("a",): 1.0, ("a", "x"): 0.25}}
    found = scripted_search("mcts-improved", ImprovedMcts(rounds=1, attempts=2), **world)
    proposals = [request.prefix.node for request in found.asked if isinstance(request, Propose)]
    assert proposals == [0, 1, 1, 1, 2, 2]
    assert found.node("a", "x").finished


def test_a_root_without_any_step_ends_the_search() -> None:
    found = scripted_search("mcts-improved", ImprovedMcts(rounds=0), propose={}, value={})
    assert (found.outcome.reason, found.answer) == ("exhausted", None)


def test_a_greedy_trace_is_the_first_round() -> None:
    """x and y come at temperature 0; the next round goes down to x, where only y is exhausted."""
    draws = iter("xyz")
    found = scripted_search(
        "mcts-improved",
        ImprovedMcts(greedy_first=True, rounds=2, early_stop=False),
        propose=lambda path: next(draws),
        value=lambda path: 0.75 if path[-1] == "y" else 0.5,
        finished=lambda path: path[-1:] in {("y",), ("z",)},
    )
    first = found.asked[0]
    assert isinstance(first, Complete) and (first.n, first.temperature) == (1, 0.0)
    assert found.table() == {
        (): (2, 0.625),
        ("x",): (2, 0.625),  # the mean of y and z
        ("x", "y"): (1, 0.75),
        ("x", "z"): (1, 0.5),
    }
    assert (found.outcome.reason, found.node("x", "y").answer) == ("rounds", "y")


def test_a_greedy_trace_that_ends_unfinished_is_gone_on_with() -> None:
    draws = iter(["x", "", "y"])
    found = scripted_search(
        "mcts-improved",
        ImprovedMcts(greedy_first=True, rounds=1, early_stop=False),
        propose=lambda path: next(draws),
        value=lambda path: 0.5,
        finished={("x", "y")},
    )
    assert found.node("x", "y").finished and found.visits() == 1


NOT_BY_VALUE = {"greedy", "self-consistency", "step-completions", "posterior-search"}
SEARCHING = [name for name in METHODS if name not in NOT_BY_VALUE]


def one_step(method: str, value: float, **settings: Any) -> ScriptedSearch:
    """Every step is an answer, and has the same value."""
    fields = METHODS[method].settings.model_fields
    limits: dict[str, Any] = {"rounds": 3, "samples": 3, "repeat": False}
    chosen = {name: limit for name, limit in limits.items() if name in fields}
    return scripted_search(
        method,
        METHODS[method].settings(**chosen, **settings),
        propose=lambda path: "4",
        value=lambda path: value,
        finished=lambda path: len(path) == 1,
    )


@pytest.mark.parametrize("method", SEARCHING)
def test_early_stop_is_the_same_rule_for_every_method(method: str) -> None:
    """A finished node with V at the gate, not below it, and only if early stop is wanted."""
    at_gate = one_step(method, 0.875, end_gate=0.875)
    assert (at_gate.outcome.reason, at_gate.answer) == ("gate", "4")
    assert one_step(method, 0.75, end_gate=0.875).outcome.reason != "gate"
    assert one_step(method, 0.875, end_gate=0.875, early_stop=False).outcome.reason != "gate"
