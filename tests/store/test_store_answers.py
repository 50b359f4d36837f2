"""Rules that turn a tree into one answer."""

from __future__ import annotations

from collections import Counter
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.answering.constants import DEFAULTS, AnswerConstants
from store.answering.rules import RULES, UNSEEN, Answer, sample_shares, sure_answer
from store.events import BackedUp, Critiqued, Event, Expanded, Extended, SearchRecord, Step, Valued
from store.tree import Tree, fold
from tests.store.strategies import live_searches


def chains(*rows: tuple[str | None, tuple[float, ...], float, int]) -> Tree:
    """A tree of chains; a row has the answer of its leaf, the scores of its steps, V and the samples."""
    events: list[Event] = []
    size = 1
    for index, (answer, scores, value, samples) in enumerate(rows):
        parent = 0
        for depth, score in enumerate(scores):
            events.append(Expanded(parent, (Step(f"{index}.{depth}"),), (samples,)))
            events.append(Valued((size,), (score,)))
            parent, size = size, size + 1
        events.append(Critiqued(parent, answer is not None, answer))
        events.append(BackedUp((parent,), (1,), (value,)))
    return fold(events)


def answered(rule: str, tree: Tree, constants: AnswerConstants = DEFAULTS) -> tuple[str, int] | None:
    """The answer by ``rule`` and its node."""
    found = RULES[rule].run(tree, constants)
    return None if found is None else (found.text, found.node)


TREE = chains(
    ("a", (0.5, 0.9), 0.2, 1),  # nodes 1, 2
    ("b", (0.6, 0.8), 0.9, 1),  # nodes 3, 4
    ("a", (1.0, 0.7), 0.3, 1),  # nodes 5, 6
    ("c", (0.1, 0.2), 0.1, 5),  # nodes 7, 8
    (None, (1.0, 1.0), 1.0, 9),  # not finished
)


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("first", ("a", 2)),
        ("best-value", ("b", 4)),
        ("best-last", ("a", 2)),
        ("best-minimum", ("a", 6)),
        ("best-product", ("a", 6)),
        ("majority", ("c", 8)),
        ("value-vote", ("b", 4)),
    ],
)
def test_each_rule(rule: str, answer: tuple[str, int]) -> None:
    assert answered(rule, TREE) == answer


def test_the_likeliest_solution_has_the_largest_sum_of_log_probabilities() -> None:
    # a -1.5, b -1.0, c unknown in its first step
    rows = {"a": (-0.25, -1.25), "b": (-0.75, -0.25), "c": (None, -0.125)}
    traces = [
        Extended(0, tuple(Step(f"{answer}{depth}", logprob=known) for depth, known in enumerate(row)))
        for answer, row in rows.items()
    ]
    judged = [Critiqued(node, True, answer) for node, answer in ((2, "a"), (4, "b"), (6, "c"))]
    assert answered("best-likelihood", fold([*traces, *judged])) == ("b", 4)
    assert answered("best-likelihood", fold([*traces, judged[2]])) == ("c", 6)


def test_votes_add_up_over_nodes() -> None:
    tree = chains(("a", (0.5,), 0.4, 1), ("b", (0.5,), 0.6, 1), ("a", (0.5,), 0.5, 1))
    assert answered("value-vote", tree) == ("a", 3)
    assert answered("majority", tree) == ("a", 1)


def test_a_vote_weights_values_by_the_share_of_samples_at_each_step() -> None:
    """a: 3 of 4 samples at the root, then 1 of 2; b: 1 of 4, however often it was sampled below that.

    "1" has 3/4 · 1/2 · .8 = .3, "2" has 1/4 · 1 = .25; the sum of V over samples would choose "2".
    """
    a, b, c, d = (Step(text) for text in "abcd")
    events: list[Event] = [
        Expanded(0, (a, b), (3, 1)),
        Expanded(1, (c, d), (1, 1)),
        Expanded(2, (c,), (9,)),
        Valued((3, 4, 5), (0.8, 0.9, 1.0)),
        Critiqued(3, True, "1"),
        Critiqued(5, True, "2"),
    ]
    assert sample_shares(fold(events)) == [1.0, 0.75, 0.25, 0.375, 0.375, 0.25]
    assert answered("value-vote", fold(events)) == ("1", 3)
    assert answered("value-vote", fold([*events, Critiqued(4, True, "2")])) == ("2", 4)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12")), min_size=1))
def test_over_independent_traces_a_vote_sums_their_values(pairs: list[tuple[str, str]]) -> None:
    """Traces of two steps, the second of which is the answer."""
    tree = fold([Extended(0, (Step(first), Step(last))) for first, last in pairs])
    for node in [node for node in tree.nodes if node.depth == 2]:
        tree.apply(Critiqued(node.id, True, tree.text(node.id)[-1]))
        tree.apply(Valued((node.id,), (0.25 * int(tree.text(node.id)[-1]),)))
    totals = {answer: 0.25 * int(answer) * sum(last == answer for _, last in pairs) for answer in "12"}
    found = answered("value-vote", tree)
    assert found is not None
    assert totals[found[0]] == max(totals.values()) or totals["1"] == totals["2"]


def test_a_vote_counts_every_sample_of_a_trace() -> None:
    traces = [Extended(0, (Step("x"),)), Extended(0, (Step("y"),)), Extended(0, (Step("y"),))]
    tree = fold([*traces, Critiqued(1, True, "1"), Critiqued(2, True, "2")])
    assert answered("majority", tree) == ("2", 2)


@pytest.mark.parametrize("rule", RULES)
def test_a_tree_without_answers_has_none(rule: str) -> None:
    assert answered(rule, Tree()) is None
    assert answered(rule, chains((None, (0.5,), 0.5, 1))) is None


@pytest.mark.parametrize("rule", RULES)
def test_the_earliest_of_equals_wins(rule: str) -> None:
    tree = chains(("a", (0.5,), 0.5, 1), ("b", (0.5,), 0.5, 1))
    assert answered(rule, tree) == ("a", 1)


@given(live_searches())
def test_an_answer_comes_from_a_node_that_has_it(search: tuple[SearchRecord, Tree]) -> None:
    _, tree = search
    answers = {node.id: node.answer for node in tree.nodes if node.finished and node.answer is not None}
    for rule in RULES.values():
        found = rule.run(tree, DEFAULTS)
        assert (found is None) == (not answers)
        if found is not None:
            assert answers[found.node] == found.text
            assert found.confidence is None or 0 <= found.confidence <= 1


@given(live_searches())
def test_no_answer_has_more_samples_than_the_majority(search: tuple[SearchRecord, Tree]) -> None:
    _, tree = search
    samples: Counter[str] = Counter()
    for node in tree.nodes:
        if node.finished and node.answer is not None:
            samples[node.answer] += node.samples
    found = answered("majority", tree)
    assert found is None or samples[found[0]] == max(samples.values())


@pytest.mark.parametrize("rule", ["best-minimum", "best-product"])
def test_a_finished_root_has_no_step_that_could_be_good(rule: str) -> None:
    tree = fold(
        [
            Critiqued(0, True, "root"),
            Expanded(0, (Step("x"),), (1,)),
            Valued((1,), (0.5,)),
            Critiqued(1, True, "step"),
        ]
    )
    assert answered(rule, tree) == ("step", 1)
    assert answered(rule, fold([Critiqued(0, True, "root")])) == ("root", 0)


def traces(*answers: str, values: tuple[float, ...] = ()) -> Tree:
    """A tree with a trace for each of the answers."""
    events: list[Event] = []
    for number, answer in enumerate(answers, start=1):
        events += [Extended(0, (Step(str(number)),)), Critiqued(number, True, answer)]
    return fold([*events, Valued(tuple(range(1, len(values) + 1)), values)])


def test_a_vote_is_as_sure_as_the_share_of_its_winner_of_one_half_vote_more() -> None:
    assert RULES["majority"].run(TREE, DEFAULTS) == Answer("c", 8, 5 / 8.5)
    found = RULES["value-vote"].run(TREE, DEFAULTS)
    assert (
        found is not None
    )  # V of a: .2 + .3, of b: .9, of c: 5 samples of .1; each by its share of 17 samples
    assert found.confidence == pytest.approx(0.9 / (0.5 + 0.9 + 0.5 + UNSEEN * 17 / 8))
    assert RULES["best-last"].run(TREE, DEFAULTS) == Answer("a", 2)


def test_a_calibrated_vote_weighs_by_the_fitted_curve() -> None:
    tree = chains(("a", (0.5,), 0.6, 1), ("a", (0.5,), 0.6, 1), ("b", (0.5,), 0.9, 1))
    assert answered("value-vote", tree) == answered("calibrated-vote", tree) == ("a", 1)
    constants = AnswerConstants(vote=((0.5, 0.1), (0.7, 0.2), (0.8, 1.0)))
    found = RULES["calibrated-vote"].run(tree, constants)
    assert found is not None and (found.text, found.node) == ("b", 3)
    assert found.confidence == pytest.approx(1.0 / (1.3 + UNSEEN))  # a: twice .15
    assert answered("value-vote", tree, constants) == ("a", 1)


def test_a_confidence_is_mapped_to_a_probability() -> None:
    constants = AnswerConstants(confidence={"majority": ((0.5, 0.4), (0.75, 0.8))})
    found = RULES["majority"].run(TREE, constants)
    assert found is not None and found.confidence == pytest.approx(0.4 + 0.4 * (5 / 8.5 - 0.5) / 0.25)


def test_confidence_grows_with_votes_that_agree() -> None:
    votes = [traces("1"), traces("1", "1"), traces("1", "1", "2"), traces("1", "1", "1", "2")]
    assert [sure_answer(tree, "majority", DEFAULTS)[1] for tree in votes] == [
        1 / 1.5, 2 / 2.5, 2 / 3.5, 3 / 4.5,
    ]  # fmt: skip
    assert sure_answer(fold([]), "majority", DEFAULTS) == (None, 0.0)


def test_a_solution_of_small_value_convinces_nobody() -> None:
    poor, good = (traces("1", values=(value,)) for value in (0.1, 0.9))
    assert sure_answer(poor, "value-vote", DEFAULTS)[1] == pytest.approx(0.1 / (0.1 + UNSEEN))
    assert sure_answer(good, "value-vote", DEFAULTS)[1] == pytest.approx(0.9 / (0.9 + UNSEEN))
    mixed = traces("2", "1", "1", values=(0.8, 0.3, 0.6))
    assert sure_answer(mixed, "value-vote", DEFAULTS)[1] == pytest.approx(0.9 / (1.7 + UNSEEN))


def test_a_vote_of_no_weight_has_no_confidence() -> None:
    tree = chains(("a", (0.5,), 0.0, 1), ("b", (0.5,), 0.0, 1))
    assert RULES["value-vote"].run(tree, DEFAULTS) == Answer("a", 1, 0.0)


def test_the_posterior_chooses_by_policy_and_value_together() -> None:
    """Two steps of equal value; and one of low probability that the value model likes."""
    steps = (Step("a", logprob=log(0.5)), Step("b", logprob=log(0.25)))
    tree = fold([Expanded(0, steps, (1, 1)), Critiqued(1, True, "1"), Critiqued(2, True, "2")])
    tree.apply(Valued((1, 2), (0.5, 0.5)))
    constants = AnswerConstants(1.0, 0.5, 0.0)
    found = RULES["posterior-vote"].run(tree, constants)
    assert found is not None and (found.text, found.node) == ("1", 1)
    assert found.confidence == pytest.approx(0.5)  # W: .5, .25, and .25 that was not drawn
    tree.apply(Valued((1, 2), (0.5, 0.9)))
    found = RULES["posterior-vote"].run(tree, constants)
    assert found is not None and (found.text, found.node) == ("2", 2)
    assert found.confidence == pytest.approx(0.75 / 1.5)  # W: .5, .25 * sqrt(9), .25


@given(live_searches())
def test_no_rule_depends_on_when_a_search_is_cut(search: tuple[SearchRecord, Tree]) -> None:
    """Every rule can answer after every event."""
    record, _ = search
    tree = Tree()
    for event in record.events:
        tree.apply(event)
        for rule in RULES.values():
            rule.run(tree, DEFAULTS)
