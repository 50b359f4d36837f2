"""Rows of an evaluation: one for each choice of a method, also where two choices are of one method."""

from __future__ import annotations

from typing import Any

from restmcts.loops.work.evaluating import budgets_in_tokens, row_names
from restmcts.search.choice import EvaluatedMethod


def choice(method: str, **settings: Any) -> EvaluatedMethod:
    return EvaluatedMethod.model_validate({"method": method, "settings": settings})


def names(*methods: EvaluatedMethod) -> list[str]:
    return [name for row in row_names(methods) for name in row.values()]


def test_one_choice_of_a_method_has_the_name_of_the_method() -> None:
    methods = (choice("mcts", rounds=3), choice("greedy"), choice("tot-bfs"))
    assert names(*methods) == ["mcts", "greedy", "tot-bfs"]


def test_choices_of_one_method_are_told_apart_by_the_settings_that_differ() -> None:
    methods = (choice("mcts", rounds=3, branch=2), choice("greedy"), choice("mcts", rounds=5, branch=2))
    assert names(*methods) == ["mcts (rounds=3)", "greedy", "mcts (rounds=5)"]


def test_a_setting_that_is_left_at_its_default_is_not_named() -> None:
    methods = (choice("best-of-n"), choice("best-of-n", greedy_first=True))
    plain, other = names(*methods)
    assert other == f"{plain} (greedy_first=True)"


def test_rows_that_would_have_one_name_are_numbered() -> None:
    methods = (choice("mcts", rounds=3), choice("mcts", rounds=3), choice("mcts", rounds=5))
    assert names(*methods) == ["mcts (rounds=3) #1", "mcts (rounds=3) #2", "mcts (rounds=5)"]
    vote = EvaluatedMethod.model_validate({"method": "best-of-n", "answers": ["majority", "best-last"]})
    found = names(choice("self-consistency"), vote)
    assert found == ["self-consistency #1", "self-consistency #2", "best-of-n, last"]


def test_a_rule_that_is_named_twice_is_read_once() -> None:
    twice = EvaluatedMethod.model_validate({"method": "best-of-n", "answers": ["majority", "majority"]})
    assert names(twice) == ["self-consistency"]


def test_budgets_in_tokens_keep_their_number_of_traces() -> None:
    assert budgets_in_tokens([3, 10, 0.01], 16.8) == {50: 3, 168: 10, 1: 0.01}
