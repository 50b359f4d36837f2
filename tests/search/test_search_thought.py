"""Tree-of-Thought, breadth first and depth first, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from restmcts.search.methods.tree_of_thought import TreeOfThought
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.events import Selected

# root: a .5, b .75, c .25;  a: d .875 (finished), e .25;  b: f .5 (finished), g .625
WORLD: dict[str, Any] = {
    "propose": {
        (): ["a", "b", "c"],
        ("a",): ["d", "e"],
        ("b",): ["f", "g"],
        ("b", "g"): ["h"],
        ("a", "e"): ["i"],
    },
    "value": {
        ("a",): 0.5, ("b",): 0.75, ("c",): 0.25,
        ("a", "d"): 0.875, ("a", "e"): 0.25,
        ("b", "f"): 0.5, ("b", "g"): 0.625,
        ("b", "g", "h"): 0.125, ("a", "e", "i"): 0.25,
    },
    "finished": {("a", "d"), ("b", "f")},
}  # fmt: skip


def selected(found: ScriptedSearch) -> list[str]:
    return [
        "".join(step.text for step in found.tree.steps(event.node))
        for event in found.events
        if isinstance(event, Selected)
    ]


def search(method: str, **settings: Any) -> ScriptedSearch:
    chosen = TreeOfThought(**({"branch": 3, "keep": 2, "repeat": False, "early_stop": False} | settings))
    return scripted_search(method, chosen, **WORLD)


def test_breadth_first_keeps_the_best_of_each_depth() -> None:
    """Depth 1: b .75, a .5 kept, c .25 not. Depth 2: d, f are finished and leave; g .625, e .25 kept."""
    found = search("tot-bfs", depth=3)
    assert selected(found) == ["", "b", "a", "bg", "ae"]
    assert found.node("c").children == []
    assert found.answer == "d"
    assert found.outcome.reason == "answered"


def test_breadth_first_with_a_beam_of_one() -> None:
    """b only; of f (finished) and g, g is left."""
    found = search("tot-bfs", depth=3, keep=1)
    assert selected(found) == ["", "b", "bg"]
    assert found.answer == "f"


@pytest.mark.parametrize("method", ["tot-bfs", "tot-dfs"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_solution_is_longer_than_the_depth(method: str, depth: int) -> None:
    assert max(node.depth for node in search(method, depth=depth).tree.nodes) == depth


def test_breadth_first_stops_at_the_best_finished_node_of_a_depth_at_the_gate() -> None:
    """Depth 2 has d .875 and f .5, both finished: with a gate of .5, the better one is the answer."""
    found = search("tot-bfs", depth=3, early_stop=True, end_gate=0.5)
    assert (found.outcome.reason, found.answer) == ("gate", "d")
    assert selected(found) == ["", "b", "a"]


def test_the_gate_by_value_alone_stops_at_an_unfinished_node() -> None:
    for method in ("tot-bfs", "tot-dfs"):
        found = search(method, early_stop=True, end_gate=0.75, gate="value")
        assert (found.outcome.reason, found.outcome.node) == ("gate", found.node("b").id)
        assert selected(found) == [""]


def test_depth_first_follows_the_best_child_first() -> None:
    """b .75 before a .5 (c is not followed); below b only g is open; below a only e."""
    found = search("tot-dfs", depth=3)
    assert selected(found) == ["", "b", "bg", "a", "ae"]
    assert found.answer == "d"
    assert found.outcome.reason == "answered"


def test_depth_first_stops_before_it_turns_back() -> None:
    """With a gate of .5, f is met below b before a is ever expanded."""
    found = search("tot-dfs", depth=3, early_stop=True, end_gate=0.5)
    assert (found.outcome.reason, found.answer) == ("gate", "f")
    assert selected(found) == ["", "b"]


@pytest.mark.parametrize("method", ["tot-bfs", "tot-dfs"])
def test_repeating_draws_anew_and_ends_when_nothing_new_comes(method: str) -> None:
    """Pass 1: a (finished). Pass 2: a again and b (finished). Pass 3: a again; nothing new."""
    found = scripted_search(
        method,
        TreeOfThought(branch=2, keep=1, depth=1, early_stop=False),
        propose={(): ["a", "a", "a", "b", "a", "a"]},
        value={("a",): 0.5, ("b",): 0.75},
        finished={("a",), ("b",)},
    )
    assert selected(found) == [""] * 3
    assert (found.outcome.reason, found.answer) == ("exhausted", "b")
    assert len(found.tree.nodes) == 3


@pytest.mark.parametrize("method", ["tot-bfs", "tot-dfs"])
def test_an_empty_policy_ends_at_once(method: str) -> None:
    found = scripted_search(method, TreeOfThought(), propose={}, value={})
    assert (found.outcome.reason, found.answer) == ("exhausted", None)
