"""Rows of an evaluation: one for each choice of a method, also where two choices are of one method."""

from __future__ import annotations

from typing import Any

from restmcts.loops.evaluating import budgets_in_tokens, suffixes
from restmcts.search.choice import EvaluatedMethod


def choice(method: str, **settings: Any) -> EvaluatedMethod:
    return EvaluatedMethod.model_validate({"method": method, "settings": settings})


def test_one_choice_of_a_method_has_the_name_of_the_method() -> None:
    assert suffixes([choice("mcts", rounds=3), choice("greedy"), choice("tot-bfs")]) == ["", "", ""]


def test_choices_of_one_method_are_told_apart_by_the_settings_that_differ() -> None:
    methods = [choice("mcts", rounds=3, branch=2), choice("greedy"), choice("mcts", rounds=5, branch=2)]
    assert suffixes(methods) == [" (rounds=3)", "", " (rounds=5)"]


def test_equal_choices_are_told_apart_by_their_number() -> None:
    methods = [choice("mcts", rounds=3), choice("mcts", rounds=3), choice("mcts", rounds=5)]
    assert suffixes(methods) == [" (rounds=3, 1)", " (rounds=3, 2)", " (rounds=5)"]


def test_budgets_in_tokens_keep_their_number_of_traces() -> None:
    assert budgets_in_tokens([3, 10, 0.01], 16.8) == {50: 3, 168: 10, 1: 0.01}
