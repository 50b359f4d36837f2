"""Methods that sample whole traces, on traces written down here."""

from __future__ import annotations

from typing import Any

import pytest

from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import BestOfN, Greedy, SelfConsistency
from restmcts.search.registry import needs_value
from restmcts.search.requests import Complete, Value
from restmcts.search.settings import Method
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.answering.constants import DEFAULTS
from store.answering.rules import RULES
from store.events import Critiqued, Extended, Valued

# Five samples give two answers: 4 three times (twice by the same steps), 5 twice.
VOTES: dict[str, Any] = {
    "propose": {
        (): ["a", "b", "a", "c", "b"],
        ("a",): ["4", "4"],
        ("b",): ["5", "5"],
        ("c",): ["4"],
    },
    "finished": {("a", "4"), ("b", "5"), ("c", "4")},
    "value": {("a", "4"): 0.25, ("b", "5"): 0.75, ("c", "4"): 0.5},
}

# last: p .9375 > r .875 > q .625;  worst: q .5 > r .4375 > p .25;
# product: r .3828 > q .3125 > p .2344
RANKED: dict[str, Any] = {
    "propose": {(): ["a", "b", "c"], ("a",): ["p"], ("b",): ["q"], ("c",): ["r"]},
    "finished": {("a", "p"), ("b", "q"), ("c", "r")},
    "value": {
        ("a",): 0.25, ("a", "p"): 0.9375,
        ("b",): 0.5, ("b", "q"): 0.625,
        ("c",): 0.4375, ("c", "r"): 0.875,
    },
}  # fmt: skip


def drawn(found: ScriptedSearch) -> int:
    return sum(isinstance(event, Extended) for event in found.events)


def test_greedy_is_one_trace() -> None:
    found = scripted_search("greedy", Greedy(), **VOTES)
    assert found.answer == "4"
    assert (drawn(found), found.outcome.reason) == (1, "answered")
    assert not any(isinstance(request, Value) for request in found.asked)


def test_greedy_without_a_trace_has_no_answer() -> None:
    assert scripted_search("greedy", Greedy(), propose={}, value={}).answer is None


def test_the_majority_counts_samples() -> None:
    found = scripted_search("self-consistency", SelfConsistency(samples=5), **VOTES)
    assert found.answer == "4"
    assert [found.node(*steps).samples for steps in (("a", "4"), ("b", "5"), ("c", "4"))] == [2, 2, 1]
    assert len(found.tree.nodes) == 7  # equal traces share their nodes
    assert not any(isinstance(request, Value) for request in found.asked)
    assert [request.n for request in found.asked if isinstance(request, Complete)] == [5]


def test_the_value_vote_weights_samples_by_value() -> None:
    # 4: 2 · .25 + .5 = 1.0; 5: 2 · .75 = 1.5
    settings = SelfConsistency(samples=5, answer_by="value-vote", early_stop=False)
    assert scripted_search("self-consistency", settings, **VOTES).answer == "5"


@pytest.mark.parametrize(
    ("rule", "answer", "valued"), [("best-last", "p", 3), ("best-minimum", "q", 6), ("best-product", "r", 6)]
)
def test_best_of_n_ranks_traces(rule: Any, answer: str, valued: int) -> None:
    found = scripted_search("best-of-n", BestOfN(samples=3, answer_by=rule, early_stop=False), **RANKED)
    assert found.answer == answer
    assert found.outcome.reason == "samples"
    assert sum(len(request.prefixes) for request in found.asked if isinstance(request, Value)) == valued


def test_early_stop_draws_no_trace_after_the_one_at_the_gate() -> None:
    draws = {**RANKED, "propose": {**RANKED["propose"], (): ["b", "c", "a"]}}
    found = scripted_search("best-of-n", BestOfN(samples=3, end_gate=0.8), **draws)
    assert (found.outcome.reason, found.answer, drawn(found)) == ("gate", "r", 2)
    assert [request.n for request in found.asked if isinstance(request, Complete)] == [1, 1]


def test_without_a_number_of_samples_traces_are_drawn_until_there_are_no_more() -> None:
    found = scripted_search("self-consistency", SelfConsistency(), **VOTES)
    assert (found.outcome.reason, drawn(found)) == ("samples", 5)


def test_a_trace_that_is_not_finished_is_no_answer() -> None:
    found = scripted_search(
        "best-of-n", BestOfN(samples=1), propose={(): ["a"]}, value={("a",): 1.0}, finished=()
    )
    assert found.answer is None
    assert not found.node("a").finished


def test_each_trace_is_whole_in_the_events_before_the_next_one() -> None:
    """So a stored search can be cut between any two of its traces."""
    found = scripted_search("best-of-n", BestOfN(samples=3, early_stop=False), **RANKED)
    assert [type(event) for event in found.events] == [Extended, Critiqued, Valued] * 3


@pytest.mark.parametrize(
    ("method", "settings", "needed"),
    [
        ("greedy", Greedy(), False),
        ("self-consistency", SelfConsistency(), False),
        ("self-consistency", SelfConsistency(answer_by="first"), False),
        ("self-consistency", SelfConsistency(answer_by="value-vote"), True),
        ("best-of-n", BestOfN(), True),
        ("best-of-n", BestOfN(answer_by="best-minimum"), True),
        ("mcts", Mcts(), True),
        ("mcts", Mcts(answer_by="majority"), True),
    ],
)
def test_who_needs_a_value_model(method: str, settings: Method, needed: bool) -> None:
    assert needs_value(method, settings) is needed
    limited = settings.model_copy(update={"samples": 2} if "samples" in type(settings).model_fields else {})
    found = scripted_search(
        method, limited, propose={(): ["a"] * 3}, value=lambda path: 0.5, finished={("a",)}
    )
    assert any(isinstance(request, Value) for request in found.asked) is needed


def test_further_rules_that_will_read_the_same_traces_get_their_values() -> None:
    rules: list[Any] = ["majority", "value-vote", "best-last", "best-minimum", "best-product"]
    settings = SelfConsistency(samples=3, read_by=rules)
    found = scripted_search("self-consistency", settings, **RANKED)
    assert needs_value("self-consistency", settings)
    read = {rule: RULES[rule].run(found.tree, DEFAULTS) for rule in rules}
    assert [found and found.text for found in (read[rule] for rule in rules[2:])] == ["p", "q", "r"]
    assert all(node.score is not None for node in found.tree.nodes[1:])
    # the majority alone decides, so no value can end the search early
    assert (found.outcome.reason, drawn(found)) == ("samples", 3)
