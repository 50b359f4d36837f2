"""The method worked by hand: ``python -m pytest checks/best_first_step.py``, where it is installed."""

from __future__ import annotations

import pytest
from restmcts_example.best_first_step import BestFirstStep

from restmcts.search.testing import ScriptedSearch, scripted_search


def search(settings: BestFirstStep) -> ScriptedSearch:
    return scripted_search(
        "best-first-step",
        settings,
        propose={(): ["a", "b", "b", "e"], ("b",): ["c", "d"], ("e",): ["f", "g"]},
        value={
            ("a",): 0.25, ("b",): 0.5, ("e",): 0.75,
            ("b", "c"): 0.75, ("b", "d"): 0.5, ("e", "f"): 0.875, ("e", "g"): 0.25,
        },
        finished={("b", "c"), ("b", "d"), ("e", "f"), ("e", "g")},
    )  # fmt: skip


def test_traces_follow_the_best_first_step_of_each_restart() -> None:
    """First b .5 before a .25, then e .75 before b. The samples at the root are a, b, b, e.

    The vote: c 1/2 · 1/2 · .75 = .1875, d .125, f 1/4 · 1/2 · .875 = .1094, g .0313.
    """
    found = search(BestFirstStep(first_steps=2, traces=2, early_stop=False))
    assert sorted(node.answer or "" for node in found.tree.finished()) == ["c", "d", "f", "g"]
    assert (found.outcome.reason, found.answer) == ("exhausted", "c")


def test_a_solution_at_the_gate_ends_the_search() -> None:
    found = search(BestFirstStep(first_steps=2, traces=2, end_gate=0.75))
    assert (found.outcome.reason, found.answer) == ("gate", "c")


@pytest.mark.parametrize("draws", [0, 1])
def test_a_search_that_finds_no_step_ends(draws: int) -> None:
    found = scripted_search(
        "best-first-step",
        BestFirstStep(first_steps=1, early_stop=False),
        propose={(): ["a"] * draws},
        value={("a",): 0.5},
        finished={("a",)},
    )
    assert found.outcome.reason == "exhausted"
