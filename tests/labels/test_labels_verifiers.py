"""The rules of the verifiers that the paper compares with, worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.labels import correct_share, label_rule
from store.events import Critiqued, Event, Extended, Step, Verified
from store.tree import Tree, fold
from tests.labels.test_labels_rules import BAD, OK, OPEN, Spec, specs, tree_of, verdicts_below


def named(tree: Tree, numbers: dict[str, int], rule: str, **values: Any) -> dict[str, float | None]:
    labels = label_rule(rule, values)(tree)
    assert labels[0] is None
    return {name: labels[number] for name, number in numbers.items()}


def completed(*traces: tuple[int, str], correct: Mapping[str, bool | None]) -> tuple[Tree, dict[str, int]]:
    """The tree of traces, each from a node, and the nodes by their texts; a step is a letter.

    ``correct`` says which partial solutions are finished, and the verdicts on them.
    """
    events: list[Event] = [Extended(node, tuple(map(Step, letters))) for node, letters in traces]
    tree = fold(events)
    numbers = {tree.text(node.id): node.id for node in tree.nodes[1:]}
    for text, verdict in correct.items():
        tree.apply(Critiqued(numbers[text], True, text[-1]))
        reached = (numbers[text],), (verdict,) if verdict is not None else ()
        tree.apply(Verified(*reached) if verdict is not None else Verified((), (), reached[0]))
    return tree, numbers


def test_an_outcome_is_the_verdict_on_a_finished_solution() -> None:
    tree, numbers = tree_of({"a": {"b": OK, "c": {"d": BAD}}, "e": OPEN})
    assert named(tree, numbers, "outcome") == {"a": None, "b": 1, "c": None, "d": 0, "e": None}


@given(specs())
@settings(max_examples=40, deadline=None)
def test_outcomes_are_the_verdicts(spec: Spec) -> None:
    tree, _ = tree_of(spec)
    labels = label_rule("outcome")(tree)
    assert [label for label in labels if label is not None] == [
        float(node.correct) for node in tree.nodes if node.correct is not None
    ]


# Shares: the tree 3/6; a 3/4 (half as much again as the tree), w 0/2;
# below a: b 2/2 (ratio 4/3), c 1/2 (ratio 2/3); below c: d 1/1 (ratio 2), x 0/1
PROGRESS: Spec = {
    "a": {"b": {"b1": OK, "b2": OK}, "c": {"d": OK, "x": BAD}},
    "w": {"v": {"q": BAD}, "r": BAD},
    "u": OPEN,
}


def test_relative_progress_compares_a_step_with_its_parent() -> None:
    found = named(*tree_of(PROGRESS), "relative-progress")
    assert found == {
        "a": 1, "b": 1, "b1": 1, "b2": 1,
        "c": 0, "d": 1, "x": 0,
        # nothing is left to lose after w, and nothing is known of u
        "w": 0, "v": None, "q": None, "r": None, "u": None,
    }  # fmt: skip


def test_the_slack_decides_how_much_a_right_step_may_lose() -> None:
    tree, numbers = tree_of(PROGRESS)
    assert named(tree, numbers, "relative-progress", slack=0.6)["c"] == 1
    assert named(tree, numbers, "relative-progress", slack=1.5)["a"] == 1
    assert named(tree, numbers, "relative-progress", slack=1.6)["a"] == 0
    with pytest.raises(InputError, match="slack"):
        label_rule("relative-progress", {"slack": 0})


def test_relative_progress_says_nothing_without_a_correct_answer() -> None:
    found = named(*tree_of({"a": {"b": BAD}, "c": BAD}), "relative-progress")
    assert set(found.values()) == {None}


@given(specs(), st.sampled_from([0.5, 0.8, 1.0]))
@settings(max_examples=60, deadline=None)
def test_relative_progress_by_its_definition(spec: Spec, slack: float) -> None:
    tree, _ = tree_of(spec)
    shares, labels = correct_share(tree), label_rule("relative-progress", {"slack": slack})(tree)
    below = verdicts_below(tree, 0)
    for node in tree.nodes[1:]:
        before = shares[node.parent] if node.parent else sum(below) / len(below) if below else None
        after = shares[node.id]
        if after is None or not before:
            assert labels[node.id] is None
        else:
            assert labels[node.id] == float(after >= slack * before)


# A solution abc (wrong); from a: abd (right) and aef (wrong); from ab: abd and abc again.
# The completions of a are one right of two, those of ab one of two; the one from a through ab is none of ab.
COMPLETED = (
    ((0, "abc"), (1, "bd"), (1, "ef"), (2, "c"), (2, "d")),
    {"abc": BAD, "abd": OK, "aef": BAD},
)


@pytest.mark.parametrize(("estimate", "expected"), [("hard", (1, 1)), ("soft", (0.5, 0.5))])
def test_a_step_is_labelled_by_its_own_completions(estimate: str, expected: tuple[float, float]) -> None:
    tree, numbers = completed(*COMPLETED[0], correct=COMPLETED[1])
    found = named(tree, numbers, "math-shepherd", estimate=estimate)
    assert (found["a"], found["ab"], found["abc"]) == (*expected, 0)
    # steps of completions are no steps of a solution
    assert {found[name] for name in ("ae", "aef", "abd")} == {None}


def test_completions_from_further_down_do_not_count_above() -> None:
    # from a only wrong ones; from ab right ones: the share of the leaves below a would be 2 of 4
    traces = ((0, "abc"), (1, "xz"), (2, "d"), (2, "d"))
    tree, numbers = completed(*traces, correct={"abc": BAD, "axz": BAD, "abd": OK})
    for estimate in ("hard", "soft"):
        found = named(tree, numbers, "math-shepherd", estimate=estimate)
        assert (found["a"], found["ab"]) == (0, 1)
    assert correct_share(tree)[numbers["a"]] == 0.5


def test_completions_without_a_verdict_do_not_count() -> None:
    traces = ((0, "abc"), (1, "bd"), (1, "bx"), (2, "y"))
    tree, numbers = completed(*traces, correct={"abc": None, "abd": OK, "abx": None})
    found = named(tree, numbers, "math-shepherd", estimate="soft")
    # abx has no verdict, y is not finished
    assert (found["a"], found["ab"], found["abc"]) == (1, None, None)


def test_a_completion_without_steps_is_no_verdict() -> None:
    tree, numbers = completed((0, "ab"), (1, ""), (1, "b"), correct={"ab": OK})
    assert named(tree, numbers, "math-shepherd", estimate="soft") == {"a": 1, "ab": 1}


def test_trees_without_completions_have_no_labels_by_math_shepherd() -> None:
    tree, numbers = completed((0, "ab"), (0, "ac"), correct={"ab": OK, "ac": BAD})
    assert set(named(tree, numbers, "math-shepherd").values()) == {None}
    assert set(named(*tree_of({"a": {"b": OK}}), "math-shepherd").values()) == {None}
    tree, numbers = completed((0, "ab"), (0, "c"), correct={"ab": OK, "c": BAD})
    assert set(named(tree, numbers, "math-shepherd").values()) == {None}


def test_a_solution_that_the_budget_left_without_completions_has_its_verdict() -> None:
    tree, numbers = completed((0, "ab"), (0, "xy"), (1, "b"), correct={"ab": OK, "xy": BAD})
    assert named(tree, numbers, "math-shepherd") == {"a": 1, "ab": 1, "x": None, "xy": 0}


def test_a_solution_of_one_step_needs_no_completions() -> None:
    tree, numbers = completed((0, "a"), (0, "b"), (0, "c"), correct={"a": OK, "b": BAD, "c": None})
    assert named(tree, numbers, "math-shepherd") == {"a": 1, "b": 0, "c": None}


def test_an_unknown_estimate_is_refused() -> None:
    with pytest.raises(InputError, match="estimate"):
        label_rule("math-shepherd", {"estimate": "firm"})
