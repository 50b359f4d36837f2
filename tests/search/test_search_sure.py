"""A search that ends when it is sure of its answer: a beginning of the one that does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from restmcts.errors import InputError
from restmcts.search.registry import method_settings
from restmcts.search.running.task import SearchTask
from store.answering.constants import DEFAULTS
from store.answering.rules import sure_answer
from store.events import Selected, Stopped
from store.tree import fold
from tests.search.search_engines import Gate, Judge, Writer, engines, run, task

VOTING: dict[str, dict[str, Any]] = {
    "self-consistency": {"answer_by": "majority"},
    "best-of-n": {"answer_by": "value-vote"},
    "step-completions": {"answer_by": "majority", "traces": 0},
    "mcts-improved": {"answer_by": "value-vote"},
    "mcts": {"answer_by": "value-vote", "rounds": 0},
}


def voting(method: str, seed: int = 1, **more: Any) -> SearchTask:
    settings = method_settings(method, {"early_stop": False, **VOTING[method], **more}, "test")
    return task(method, settings, budget=160, seed=seed)


@pytest.mark.parametrize("method", VOTING)
@pytest.mark.parametrize("seed", range(3))
def test_a_sure_search_is_the_beginning_of_the_whole_one(method: str, seed: int) -> None:
    whole = run(voting(method, seed), engines())
    rule = VOTING[method]["answer_by"]
    for gate in (0.3, 0.6):
        sure = run(voting(method, seed, confidence_gate=gate), engines())
        assert sure.result.cost.generated <= whole.result.cost.generated
        if sure.result.reason != "gate":
            assert sure_answer(fold(sure.events), rule, DEFAULTS)[1] < gate
            continue
        *events, stopped = sure.events
        tree = fold(events)
        assert [replace(event, cost=whole.events[0].cost) for event in events] == [
            replace(event, cost=whole.events[0].cost) for event in whole.events[: len(events)]
        ]
        assert tree.cost.generated == sure.result.cost.generated
        assert sure_answer(tree, rule, DEFAULTS)[1] >= gate
        assert isinstance(stopped, Stopped) and stopped.answer == sure.result.answer is not None


@pytest.mark.parametrize("method", ["self-consistency", "mcts-improved"])
def test_a_gate_saves_tokens(method: str) -> None:
    spent = [
        run(voting(method, 4, confidence_gate=gate), engines()).result.cost.generated for gate in (0.2, 1.0)
    ]
    assert spent[0] < 40 and spent[1] == 160


def test_rounds_side_by_side_join_before_the_search_ends() -> None:
    found = []
    for order in range(4):
        used = engines(Writer(gate=Gate(order)), Judge(gate=Gate(order + 9)))
        wanted = voting("mcts-improved", parallel_rounds=3, confidence_gate=0.4)
        record = run(wanted, used)
        found.append((record.events, record.result.cost))
        assert record.result.reason == "gate" and record.result.cost.generated <= 160
        assert record.result.cost.generated == used.policy.generated  # type: ignore[attr-defined]
    assert sum(isinstance(event, Selected) for event in found[0][0]) >= 3
    assert all(each == found[0] for each in found)


def test_only_a_rule_that_says_how_sure_it_is_has_a_gate() -> None:
    with pytest.raises(
        InputError, match="'best-last' does not say how sure it is; answer_by can be majority"
    ):
        method_settings("best-of-n", {"confidence_gate": 0.5}, "test")
