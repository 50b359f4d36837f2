"""Completions of the steps of sampled solutions, on traces written down here."""

from __future__ import annotations

from typing import Any

from restmcts.labels import label_rule
from restmcts.search.methods.step_completions import StepCompletions
from restmcts.search.requests import Complete, Value
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.events import Critiqued, Extended
from store.tree import fold
from tests.search.search_engines import Writer, engines, run, task

# The first solution is a b 4. The draws of a partial solution come in order, whatever they are drawn for.
SCRIPT: dict[str, Any] = {
    "propose": {
        (): ["a", "a"],
        ("a",): ["b", "b", "c", "b"],
        ("a", "b"): ["4", "4", "5", "4", "5"],
        ("a", "c"): ["6"],
    },
    "finished": {("a", "b", "4"), ("a", "b", "5"), ("a", "c", "6")},
    "value": {},
}


def completed(found: ScriptedSearch) -> dict[str, list[str]]:
    """The texts of the completions of each partial solution."""
    tree = found.tree
    return {
        tree.text(node): [tree.text(leaf) for leaf in leaves] for node, leaves in sorted(tree.traces.items())
    }


def test_every_step_of_a_solution_is_completed() -> None:
    found = scripted_search("step-completions", StepCompletions(traces=1, completions=2), **SCRIPT)
    assert completed(found) == {"": ["ab4"], "a": ["ab4", "ac6"], "ab": ["ab5", "ab4"]}
    assert found.outcome.reason == "samples"
    assert [event.node for event in found.events if isinstance(event, Extended)] == [0, 1, 1, 2, 2]
    assert not any(isinstance(request, Value) for request in found.asked)


def test_a_step_that_two_solutions_share_is_completed_once() -> None:
    found = scripted_search("step-completions", StepCompletions(traces=2, completions=2), **SCRIPT)
    assert completed(found) == {"": ["ab4", "ab5"], "a": ["ab4", "ac6"], "ab": ["ab5", "ab4"]}
    asked = [(request.prefix.node, request.n) for request in found.asked if isinstance(request, Complete)]
    assert asked == [(0, 1), (1, 2), (2, 2), (0, 1)]


def test_each_trace_is_judged_before_the_next_one() -> None:
    found = scripted_search("step-completions", StepCompletions(traces=1, completions=2), **SCRIPT)
    kinds = [type(event) for event in found.events]
    # ab4 comes again as a completion of a and of ab: a solution is judged once
    assert kinds == [Extended, Critiqued, Extended, Extended, Critiqued, Extended, Critiqued, Extended]


def test_it_ends_where_the_policy_has_no_more() -> None:
    found = scripted_search("step-completions", StepCompletions(traces=9, completions=1), **SCRIPT)
    assert len(found.tree.traces[0]) == 2
    assert found.outcome.reason == "samples"


def test_a_budget_leaves_whole_solutions_with_their_completions() -> None:
    settings = StepCompletions(traces=0, completions=3)
    record = run(task("step-completions", settings, budget=400), engines(Writer(variety=50)))
    tree = fold(record.events)
    assert (record.result.reason, record.result.cost.generated) == ("budget", 400)
    first, *others = tree.traces[0]
    assert others
    for node in tree.path(first)[:-1]:
        assert len(tree.traces[node.id]) == 3
    assert all(tree.nodes[leaf].finished for leaves in tree.traces.values() for leaf in leaves)


def test_its_trees_are_labelled_by_completions_alone() -> None:
    found = scripted_search("step-completions", StepCompletions(traces=1, completions=2), **SCRIPT)
    for node in found.tree.finished():
        node.correct = node.answer == "6"
    labels = label_rule("math-shepherd", {"estimate": "soft"})(found.tree)
    said = {found.tree.text(node): label for node, label in enumerate(labels)}
    assert said == {"": None, "a": 0.5, "ab": 0.0, "ab4": 0.0, "ab5": None, "ac": None, "ac6": None}
