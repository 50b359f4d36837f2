"""Labels of verified trees: golden ones, and what holds for every tree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.labels import LABEL_RULES, any_correct, correct_share, label_rule, rest_mcts
from store.events import Step
from store.tree import Node, Tree

OK, BAD, OPEN = True, False, None

Spec = dict[str, Any]
"""A node is its name with either its children, or the verdict on it: OK, BAD, or OPEN for unfinished."""


def tree_of(spec: Spec) -> tuple[Tree, dict[str, int]]:
    """The tree of a specification, and the numbers of its nodes by name; breadth first."""
    tree, names = Tree(), {}
    waiting: list[tuple[Node, Spec]] = [(tree.root, spec)]
    for parent, children in waiting:
        for name, below in children.items():
            node = tree._add(parent, Step(f"{name}\n"), 1)
            names[name] = node.id
            if isinstance(below, dict):
                waiting.append((node, below))
            elif below is not None:
                node.finished, node.correct = True, below
    return tree, names


# name, tree, labels of the rule of the paper (Section 3.1); distances worked out below each
GOLDEN: list[tuple[str, Spec, dict[str, float | None]]] = [
    (
        # d = 4, 3, 2, 1:  v = 0 + 1/4, .25 + .75/3, .5 + .5/2, .75 + .25/1
        "chain",
        {"a": {"b": {"c": {"d": OK}}}},
        {"a": 0.25, "b": 0.5, "c": 0.75, "d": 1},
    ),
    (
        # a 3, b 2, c 1; x takes 2 from b, y and z take 3 from a, w, q and r take 4 from the root:
        # x = 2/3 - (1/3)/2 = 1/2; y = 1/3 - (2/3)/3 = 1/9; z = max(0, 1/9 - (8/9)/3); w = max(0, -1/4)
        "wrong branches",
        {"a": {"b": {"c": OK, "x": BAD}, "y": {"z": BAD}}, "w": {"q": {"r": BAD}}, "u": OPEN},
        {"a": 1 / 3, "b": 2 / 3, "c": 1, "x": 0.5, "y": 1 / 9, "z": 0, "w": 0, "q": 0, "r": 0, "u": None},
    ),
    (
        # a takes the nearer of b (1) and d (2): d(a) = 2; c 2, d 1; e 3, f 2, g 1
        "two correct leaves below one step",
        {"a": {"b": OK, "c": {"d": OK}}, "e": {"f": {"g": OK}}},
        {"a": 0.5, "b": 1, "c": 0.75, "d": 1, "e": 1 / 3, "f": 2 / 3, "g": 1},
    ),
    (
        # b 1, a 2, root 3; x and y take 2 from a: x = 1/2 - (1/2)/2, y = max(0, 1/4 - (3/4)/2); z takes 3
        "wrong leaf beside the root's correct child",
        {"a": {"x": {"y": BAD}, "b": OK}, "z": BAD},
        {"a": 0.5, "x": 0.25, "y": 0, "b": 1, "z": 0},
    ),
    ("no correct leaf", {"a": {"b": BAD}, "c": BAD}, {"a": None, "b": None, "c": None}),
    ("nothing verified", {"a": {"b": OPEN}}, {"a": None, "b": None}),
    (
        # an unfinished step after a labelled one stays without a label
        "unfinished below a correct prefix",
        {"a": {"b": OK, "u": {"v": OPEN}}},
        {"a": 0.5, "b": 1, "u": None, "v": None},
    ),
]


@pytest.mark.parametrize(("spec", "expected"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_golden_labels(spec: Spec, expected: dict[str, float | None]) -> None:
    tree, names = tree_of(spec)
    labels = rest_mcts(tree)
    assert labels[0] is None
    found = {name: labels[number] for name, number in names.items()}
    assert found == {name: None if v is None else pytest.approx(v) for name, v in expected.items()}


@pytest.mark.parametrize("steps", [1, 2, 5, 64])
def test_a_correct_chain_of_k_steps_gives_k_of_k(steps: int) -> None:
    spec: Any = OK
    for number in reversed(range(1, steps + 1)):
        spec = {str(number): spec}
    labels = rest_mcts(tree_of(spec)[0])
    assert labels[1:] == pytest.approx([number / steps for number in range(1, steps + 1)])
    assert labels[-1] == 1.0


@pytest.mark.parametrize(("steps", "value"), [(5, 0.7), (15, 0.9)])
def test_a_wrong_last_step_keeps_the_known_value(steps: int, value: float) -> None:
    # (K - 1.5)/K, the known weakness of the rule
    spec: Any = {"good": OK, "wrong": BAD}
    for number in reversed(range(1, steps)):
        spec = {str(number): spec}
    tree, names = tree_of(spec)
    assert rest_mcts(tree)[names["wrong"]] == pytest.approx(value)


def test_estimation_counts_the_samples_of_an_answer() -> None:
    tree, names = tree_of({"a": {"b": OK, "c": BAD}, "d": {"e": BAD}, "f": OPEN})
    tree.nodes[names["c"]].samples = 3
    share, hit = correct_share(tree), any_correct(tree)
    assert [share[names[name]] for name in "abcdef"] == [0.25, 1, 0, 0, 0, None]
    assert [hit[names[name]] for name in "abcdef"] == [1, 1, 0, 0, 0, None]
    assert share[0] is None and hit[0] is None


VERDICTS = st.sampled_from([OK, BAD, OPEN])


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """A tree whose leaves were verified or not."""
    names = iter(range(10_000))

    def named(children: list[Any]) -> Spec:
        return {str(next(names)): named(c) if isinstance(c, list) else c for c in children}

    node = st.recursive(VERDICTS, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=10)
    return named(draw(st.lists(node, min_size=1, max_size=3)))


def shuffled(spec: Spec, random: Any) -> Spec:
    """The same tree with siblings in another order."""
    names = list(spec)
    random.shuffle(names)
    below = {name: spec[name] for name in names}
    return {name: shuffled(b, random) if isinstance(b, dict) else b for name, b in below.items()}


def verdicts_below(tree: Tree, node: int) -> list[bool]:
    own = tree.nodes[node].correct
    return ([] if own is None else [own]) + [
        verdict for child in tree.nodes[node].children for verdict in verdicts_below(tree, child)
    ]


@given(specs())
@settings(max_examples=60, deadline=None)
def test_labels_are_values_and_only_where_something_was_verified(spec: Spec) -> None:
    tree, _ = tree_of(spec)
    for name in LABEL_RULES:
        labels = label_rule(name)(tree)
        assert len(labels) == len(tree.nodes) and labels[0] is None
        if name not in {"rest-mcts", "correct-share", "any-correct"}:
            assert all(label is None or 0.0 <= label <= 1.0 for label in labels)
            continue
        for node, label in enumerate(labels[1:], 1):
            known = verdicts_below(tree, node)
            if name == "rest-mcts" and True not in verdicts_below(tree, 0):
                known = []
            assert (label is not None) == bool(known)
            assert label is None or 0.0 <= label <= 1.0


@given(specs())
@settings(max_examples=60, deadline=None)
def test_steps_on_correct_traces_rise_to_one_and_others_fall(spec: Spec) -> None:
    tree, _ = tree_of(spec)
    labels = rest_mcts(tree)
    for node in tree.nodes[1:]:
        label = labels[node.id]
        if label is None:
            continue
        before = 0.0 if node.parent == 0 else labels[node.parent or 0]
        assert before is not None
        if True in verdicts_below(tree, node.id):
            assert label > before or label == before == 1.0
        else:
            assert label < before or label == before == 0.0
        if node.correct:
            assert label == pytest.approx(1.0)


@given(specs())
@settings(max_examples=60, deadline=None)
def test_the_share_lies_between_none_and_all_and_agrees_with_the_hard_estimate(spec: Spec) -> None:
    tree, _ = tree_of(spec)
    for node, (share, hit) in enumerate(zip(correct_share(tree), any_correct(tree), strict=True)):
        if node == 0 or share is None:
            assert share is hit is None
            continue
        below = verdicts_below(tree, node)
        assert share == pytest.approx(sum(below) / len(below))
        assert hit == float(share > 0)
        if set(below) in ({True}, {False}):
            assert share == hit


@given(specs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_labels_do_not_depend_on_the_order_of_siblings(spec: Spec, random: Any) -> None:
    tree, names = tree_of(spec)
    other, others = tree_of(shuffled(spec, random))
    for name in LABEL_RULES:
        here, there = label_rule(name)(tree), label_rule(name)(other)
        assert {name: here[node] for name, node in names.items()} == {
            name: there[node] for name, node in others.items()
        }


def test_first_error_labels_steps_up_to_the_first_wrong_one() -> None:
    tree, number = tree_of({"a": {"b": {"c": True, "x": {"y": False}}}, "w": {"q": False}, "u": {}})
    labels = LABEL_RULES["first-error"].run(tree)
    said = {name: labels[node] for name, node in number.items()}
    assert said["a"] == said["b"] == said["c"] == 1.0
    assert said["x"] == said["w"] == 0.0
    assert said["y"] is None and said["q"] is None and said["u"] is None


@given(specs())
@settings(max_examples=60, deadline=None)
def test_first_error_is_one_on_correct_traces_and_zero_right_after_them(spec: Spec) -> None:
    tree, _ = tree_of(spec)
    labels = LABEL_RULES["first-error"].run(tree)
    if True not in verdicts_below(tree, 0):
        assert set(labels) == {None}
        return
    for node in tree.nodes[1:]:
        known = verdicts_below(tree, node.id)
        after_right = node.parent == 0 or labels[node.parent or 0] == 1.0
        if True in known:
            assert labels[node.id] == 1.0
        elif known and after_right:
            assert labels[node.id] == 0.0
        else:
            assert labels[node.id] is None
