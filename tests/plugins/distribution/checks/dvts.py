"""DVTS worked by hand. Run it where the distribution is installed: ``python -m pytest checks/dvts.py``."""

from __future__ import annotations

import pytest
from restmcts_example.dvts import Dvts

from restmcts.search.testing import ScriptedSearch, scripted_search
from store.events import Selected


def search(settings: Dvts) -> ScriptedSearch:
    return scripted_search(
        "dvts",
        settings,
        propose={(): ["a", "b", "b", "e"], ("a",): ["c", "d"], ("e",): ["f", "f"]},
        value={
            ("a",): 0.5, ("b",): 0.25, ("e",): 0.75,
            ("a", "c"): 0.75, ("a", "d"): 0.5, ("e", "f"): 0.875,
        },
        finished={("a", "c"), ("a", "d"), ("e", "f")},
    )  # fmt: skip


def test_each_subtree_follows_its_best_step() -> None:
    found = search(Dvts(subtrees=2, branch=2))
    selected = [event.node for event in found.events if isinstance(event, Selected)]
    assert [found.tree.text(node) for node in selected] == ["", "a", "", "e"]
    # c: 1/4 of the samples of the root, 1/2 of those of a, value 0.75; f: 1/4, all of those of e, 0.875.
    assert (found.outcome.reason, found.answer) == ("answered", "f")


def test_a_solution_at_the_gate_ends_the_search() -> None:
    found = search(Dvts(subtrees=2, branch=2, end_gate=0.75))
    assert (found.outcome.reason, found.answer) == ("gate", "c")


@pytest.mark.parametrize("draws", [0, 1])
def test_a_search_that_finds_nothing_new_ends(draws: int) -> None:
    settings = Dvts(subtrees=0, branch=1, early_stop=False)
    found = scripted_search(
        "dvts", settings, propose={(): ["a"] * draws}, value={("a",): 0.5}, finished={("a",)}
    )
    assert found.outcome.reason == "exhausted"
