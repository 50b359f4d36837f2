"""Verdicts on finished nodes, and the answer of a search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from restmcts.evaluation.reading.budgets import answers_at
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import SelfConsistency
from restmcts.search.registry import METHODS
from restmcts.search.running.driver import verified
from store.encoding.searches import decode_search, encode_search
from store.events import Critiqued, Extended, SearchRecord, Stopped, Verified
from store.tree import fold
from tests.search.search_engines import LIMITED, Writer, engines, run, task


def graded(record: SearchRecord, oracle: str | None) -> tuple[SearchRecord, list[list[str]]]:
    asked: list[list[str]] = []

    def grade(problem: Problem, answers: Sequence[str]) -> list[bool]:
        asked.append(list(answers))
        return [answer == problem.answer for answer in answers]

    return verified(record, Problem("p0", "q", oracle), grade), asked


@pytest.mark.parametrize("method", METHODS)
def test_every_finished_node_gets_a_verdict(method: str) -> None:
    record = run(task(method, LIMITED[method]), engines())
    found, asked = graded(record, "1")
    tree = fold(found.events)
    assert tree.finished()
    for node in tree.nodes:
        assert node.correct == ((node.answer == "1") if node.finished else None)
    assert found.result == replace(record.result, correct=record.result.answer == "1")
    assert isinstance(found.events[-1], Verified)
    assert found.events[:-1] == record.events
    (answers,) = asked
    assert len(answers) == len(set(answers))


def test_a_finished_node_without_an_answer_is_wrong() -> None:
    record = run(task("mcts", Mcts(rounds=2)), engines(Writer(empty=1.0)))
    found, asked = graded(record, "1")
    assert asked == [[]]
    assert [node.correct for node in fold(found.events).finished()] == [False]
    assert found.result.correct is False


def test_an_answer_without_a_verdict_is_neither_right_nor_wrong() -> None:
    record = run(task("self-consistency", SelfConsistency(samples=9)), engines(Writer(variety=9)))
    ungraded = record.result.answer
    problem = Problem("p0", "q", "1")
    found = verified(record, problem, lambda _, answers: [None if a == ungraded else False for a in answers])
    tree, event = fold(found.events), found.events[-1]
    assert isinstance(event, Verified)
    without = {node.id for node in tree.finished() if node.answer == ungraded}
    assert without and set(event.unverified) == without
    assert all((node.correct is None) == (node.id in without) for node in tree.finished())
    assert found.result.correct is None
    assert decode_search(encode_search(found)) == found
    (at,) = answers_at(found, [None])[found.header.answer_by]
    assert (at.answer, at.correct) == (ungraded, None)


def test_without_an_oracle_answer_nothing_is_graded() -> None:
    record = run(task("greedy"), engines())
    found, asked = graded(record, None)
    assert found is record and asked == []
    assert found.result.correct is None


def test_the_answer_is_the_one_of_its_rule() -> None:
    record = run(task("self-consistency", SelfConsistency(samples=9)), engines())
    last = record.events[-1]
    assert isinstance(last, Stopped) and last.node is not None
    tree = fold(record.events)
    votes = Counter[str]()
    for node in tree.finished():
        votes[node.answer or ""] += node.samples
    assert votes[record.result.answer or ""] == max(votes.values())
    assert tree.nodes[last.node].answer == last.answer == record.result.answer


def test_a_trace_is_critiqued_where_it_joins() -> None:
    record = run(task("self-consistency", SelfConsistency(samples=4)), engines(Writer(variety=9)))
    kinds = [type(event) for event in record.events]
    assert kinds == [Extended, Critiqued] * 4 + [Stopped]
    assert all(event.cost.policy > 0 for event in record.events if isinstance(event, Extended))
