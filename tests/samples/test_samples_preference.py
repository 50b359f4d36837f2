"""Pairs of traces and of steps, on trees worked by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from restmcts.labels import any_correct
from restmcts.samples.preference import step_pairs, trace_pairs
from store.events import SearchRecord
from store.tree import fold
from tests.samples.made_trees import pair, search, verified


def scored(record: SearchRecord, scores: dict[str, float]) -> tuple[object, ...]:
    tree = fold(record.events)
    return (record, tree), tuple(scores.get(tree.text(node.id)) for node in tree.nodes)


TREE = search([("ab", False), ("ac", True), ("de", True), ("f", False)])


def pairs_of(
    scores: dict[str, float], margin: float = 0.0
) -> tuple[list[tuple[str, str, str]], dict[str, int]]:
    found = trace_pairs([scored(TREE, scores)], margin)  # type: ignore[list-item]
    return [pair(sample) for sample in found.samples], dict(found.removed)


def test_the_best_trace_is_chosen_and_the_worst_rejected_whatever_the_oracle_says() -> None:
    found = trace_pairs([scored(TREE, {"ab": 0.9, "ac": 0.5, "f": 0.2})], 0.0)  # type: ignore[list-item]
    (sample,) = found.samples
    assert pair(sample) == ("", "ab", "f")
    assert sample.margin == 0.9 - 0.2
    assert sample.trees == ("1.search/0",)
    assert found.verdicts == [(False, False)]


def test_equal_and_close_scores_are_no_pair() -> None:
    assert pairs_of({"ab": 0.5, "ac": 0.5}) == ([], {"close": 1})
    assert pairs_of({"ab": 0.5, "ac": 0.4}, 0.2) == ([], {"close": 1})
    assert pairs_of({"ab": 0.75, "ac": 0.5}, 0.25) == ([("", "ab", "ac")], {})


def test_one_scored_trace_is_no_pair() -> None:
    assert pairs_of({"ab": 0.5}) == ([], {"few": 1})


def test_traces_with_the_same_words_are_one() -> None:
    record = search([("a  b", True), ("a b", False), ("c", False)])
    found = trace_pairs([scored(record, {"a  b": 0.9, "a b": 0.1, "c": 0.5})], 0.0)  # type: ignore[list-item]
    assert [pair(sample) for sample in found.samples] == [("", "a  b", "c")]


def test_of_equal_scores_the_one_of_more_samples_counts() -> None:
    record = search([("a", True), ("b", True), ("b", True), ("c", False)])
    found = trace_pairs([scored(record, {"a": 0.9, "b": 0.9, "c": 0.1})], 0.0)  # type: ignore[list-item]
    assert [pair(sample) for sample in found.samples] == [("", "b", "c")]


# a -> b right, a -> c wrong (two samples), d wrong, e unfinished; below a.c nothing more is a pair.
STEPS = search(
    [("ab", True), ("ab", True), ("acx", False), ("acy", False), ("dz", False)], unfinished=["e", "af"]
)


def test_a_wrong_step_is_paired_with_the_right_one_behind_the_same_steps() -> None:
    found = step_pairs(verified(STEPS), 9)
    assert [pair(sample) for sample in found.samples] == [("a", "b", "c"), ("", "a", "d")]
    assert found.removed["most"] == found.removed["repeated"] == 0
    assert all(sample.prompt == "question p" and sample.margin == 1.0 for sample in found.samples)


def test_the_wrong_steps_that_most_samples_gave_come_first() -> None:
    found = step_pairs(verified(STEPS), 1)
    assert [pair(sample) for sample in found.samples] == [("a", "b", "c")]
    assert found.removed["most"] == 1


def test_the_right_step_that_more_samples_gave_is_chosen() -> None:
    found = step_pairs(verified(search([("a", True), ("b", True), ("b", True), ("c", False)])), 9)
    assert [pair(sample) for sample in found.samples] == [("", "b", "c")]


def test_equal_pairs_of_several_trees_are_one() -> None:
    found = step_pairs(verified(STEPS, STEPS), 9)
    assert len(found.samples) == 2
    assert found.removed["repeated"] == 2


def test_a_problem_without_a_right_or_a_wrong_trace_gives_no_pair() -> None:
    trees = verified(search([("a", True), ("b", True)]), search([("a", False), ("b", None)], problem="q"))
    assert step_pairs(trees, 9).samples == []


TRACES = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=4), st.booleans()), max_size=10, unique_by=lambda t: t[0]
)


@given(traces=TRACES, most=st.integers(1, 4))
def test_chosen_steps_lie_on_right_traces_and_rejected_ones_on_none(
    traces: list[tuple[str, bool]], most: int
) -> None:
    record = search(traces)
    tree = fold(record.events)
    hits = {tree.text(node.id): hit for node, hit in zip(tree.nodes, any_correct(tree), strict=True)}
    found = step_pairs([(record, tree)], most)
    assert len(found.samples) <= most
    for sample in found.samples:
        first, chosen, rejected = pair(sample)
        assert hits[first + chosen] == 1.0
        assert hits[first + rejected] == 0.0
    assert len({pair(sample) for sample in found.samples}) == len(found.samples)
