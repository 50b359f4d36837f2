"""What verifiers choose among the same traces: figures worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from restmcts.evaluation.verification import (
    accuracy,
    against,
    answered,
    any_right,
    log_probability,
    pass_at_1,
    ranking,
    right_shares,
    step_auc,
    trace_auc,
)
from store.events import (
    Cost,
    Critiqued,
    Event,
    Extended,
    Header,
    Result,
    SearchRecord,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.tree import Tree, fold

Trace = tuple[str, float, bool | None]
"""An answer, the value of its trace, and the verdict."""


def record(problem: str, *traces: Trace) -> SearchRecord:
    """A verified search of traces of one step each; an answer "-" is none: the trace never finished."""
    events: list[Event] = []
    for number, (answer, value, _) in enumerate(traces, 1):
        events.append(Extended(0, (Step(f"{number}: {answer}", logprob=-float(number)),), Cost(policy=3)))
        events.append(Critiqued(number, answer != "-", None if answer == "-" else answer))
        events.append(Valued((number,), (value,), Cost(value=5)))
    verdicts = {
        number: verdict for number, (_, _, verdict) in enumerate(traces, 1) if traces[number - 1][0] != "-"
    }
    known = {number: verdict for number, verdict in verdicts.items() if verdict is not None}
    unknown = tuple(number for number in verdicts if number not in known)
    events += [Stopped("samples"), Verified(tuple(known), tuple(known.values()), unknown)]
    cost = fold(events).cost
    header = Header(f"test/{problem}", "test", problem, "?", "4", "self-consistency", "majority", 0, "policy")
    return SearchRecord(
        header, tuple(events), Result(None, None, "samples", cost, len(traces) + 1, len(verdicts))
    )


# a: the majority (5) is wrong, the best value is right; b: all right; c: nothing is right, one never finished
RECORDS = [
    record("a", ("5", 0.25, False), ("4", 0.75, True), ("5", 0.25, False)),
    record("b", ("4", 0.5, True), ("4", 0.5, True)),
    record("c", ("7", 0.5, False), ("-", 0.9, None)),
]


def test_each_rule_answers_the_same_searches() -> None:
    found = answered(RECORDS, ["majority", "best-last", "value-vote", "best-likelihood"])
    assert found.verdicts == {
        "majority": {"a": False, "b": True, "c": False},
        "best-last": {"a": True, "b": True, "c": False},
        "value-vote": {"a": True, "b": True, "c": False},
        "best-likelihood": {"a": False, "b": True, "c": False},
    }
    assert (found.policy_tokens, found.value_tokens) == pytest.approx((21 / 3, 35 / 3))
    assert accuracy(found.verdicts["best-last"]).value == pytest.approx(2 / 3)


def test_one_trace_alone_and_the_best_choice() -> None:
    # a 1/3, b 1, c 0 (what never finishes is wrong)
    shares = right_shares(RECORDS)
    assert shares == {"a": pytest.approx(1 / 3), "b": 1.0, "c": 0.0}
    assert pass_at_1(shares).value == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert any_right(RECORDS) == {"a": True, "b": True, "c": False}
    assert right_shares([record("nothing sampled")]) == {"nothing sampled": 0.0}


def test_what_has_no_verdict_counts_neither_way() -> None:
    unsure = [
        record("a", ("5", 0.5, None), ("6", 0.25, False)),
        record("b", ("5", 0.5, None), ("4", 0.25, True)),
    ]
    assert any_right(unsure) == {"a": None, "b": True}
    found = answered(unsure, ["best-last"]).verdicts["best-last"]
    assert found == {"a": None, "b": None}
    assert accuracy(found).value == 0.0
    assert against(found, {"a": True, "b": True}) == {}


def test_two_ways_to_choose_are_compared_on_the_problems_that_both_have() -> None:
    first: dict[str, bool | None] = {"a": True, "b": True, "c": False, "d": True, "e": None}
    second: dict[str, bool | None] = {"a": False, "b": True, "c": False, "d": False, "e": True, "f": True}
    found = against(first, second)
    assert found["difference"] == 0.5
    assert found["low"] < 0.5 < found["high"]
    assert found["p"] == 0.5  # two problems for the first alone, none for the second: 2 / 2**2


def grown(scores: Sequence[float], correct: Sequence[bool]) -> tuple[SearchRecord, Tree]:
    found = record(
        "p",
        *(
            (str(number), score, right)
            for number, (score, right) in enumerate(zip(scores, correct, strict=True))
        ),
    )
    return found, fold(found.events)


def test_the_ranking_of_traces_counts_pairs() -> None:
    # ten right traces at .5; ten wrong ones: five below, three equal, two above: (5 + 1.5) / 10
    scores = [0.5] * 10 + [0.25] * 5 + [0.5] * 3 + [0.75] * 2
    pair = grown(scores, [True] * 10 + [False] * 10)
    assert trace_auc([pair])["auc"] == pytest.approx(0.65)
    everything = set(range(1, 21))
    assert step_auc([(*pair, everything)]) == {}
    assert step_auc([(*pair, set(range(1, 11)))])["auc"] == pytest.approx(0.65)
    assert step_auc([(*pair, set(range(11, 21)))])["auc"] == pytest.approx(0.35)


def test_too_few_rows_have_no_ranking() -> None:
    assert ranking([]) == {}
    assert ranking([("p", 0.5, True)] * 30) == {}


def test_the_likelihood_ranks_without_values() -> None:
    # the first trace is the likeliest: right ones come first
    pair = grown([0.0] * 20, [True] * 10 + [False] * 10)
    assert trace_auc([pair], log_probability)["auc"] == 1.0
    unknown = replace(
        pair[0], events=(Extended(0, (Step("x"),)), Critiqued(1, True, "x"), Verified((1,), (True,)))
    )
    assert trace_auc([pair, (unknown, fold(unknown.events))], log_probability) == {}
