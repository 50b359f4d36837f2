"""The critic by rule, and the settings of methods."""

from __future__ import annotations

import pytest

from restmcts.errors import InputError
from restmcts.grading.finding import MathAnswers
from restmcts.grading.verdicts import declared_finished, rule_critic
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.registry import METHODS, method_settings, row_name
from restmcts.search.requests import Verdict
from store.answering.rules import RULES
from store.events import Step

PROBLEM = Problem("p", "2 + 3", "5")


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ([], Verdict(False)),
        ([Step("2 + 3 = 5\n")], Verdict(False)),
        ([Step("2 + 3 = 5\n"), Step("so the answer is 5.\n")], Verdict(True, "5")),
        ([Step("2 + 3 = 5\n"), Step("\\boxed{5}")], Verdict(True, "5")),
        ([Step("2 + 3 = 5", ended=True)], Verdict(True, "5")),  # ended without a mark: the last number
        ([Step("I do not know.", ended=True)], Verdict(True)),
        ([Step("", ended=True)], Verdict(True)),
        ([Step("The ans"), Step("wer is 7.\n")], Verdict(True, "7")),  # steps are read as one text
    ],
)
def test_the_critic_by_rule(steps: list[Step], verdict: Verdict) -> None:
    assert rule_critic(PROBLEM, steps, MathAnswers()) == verdict


@pytest.mark.parametrize(
    ("steps", "answer"),
    [([], None), ([Step("2 + 3 = 5\n")], "5"), ([Step("no number here\n")], None)],
)
def test_what_a_search_declares_finished_has_the_answer_in_its_text(
    steps: list[Step], answer: str | None
) -> None:
    assert declared_finished(PROBLEM, steps, MathAnswers()) == Verdict(True, answer)


def test_answers_are_normalized_so_that_votes_count_equal_ones_together() -> None:
    first = rule_critic(PROBLEM, [Step("The answer is 1,000.\n")], MathAnswers()).answer
    assert first is not None
    assert first == rule_critic(PROBLEM, [Step("\\boxed{1000}\n")], MathAnswers()).answer


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"recipe\.toml: unknown search method 'mtcs'.*mcts-improved"):
        method_settings("mtcs", {}, "recipe.toml")


@pytest.mark.parametrize(
    ("method", "key", "nearest"),
    [("mcts", "branchs", "branch"), ("mcts", "explore", "exploration"), ("best-of-n", "sample", "samples")],
)
def test_an_unknown_key_names_the_nearest_one(method: str, key: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"here: unknown key '{key}': did you mean '{nearest}'"):
        method_settings(method, {key: 1}, "here")


def test_an_unknown_key_that_is_near_to_none_lists_them() -> None:
    with pytest.raises(InputError, match="known keys: alpha, answer_by, attempts, branch"):
        method_settings("mcts", {"zzz": 1}, "here")


@pytest.mark.parametrize(
    ("method", "values", "named"),
    [
        ("mcts", {"branch": 0}, "branch"),
        ("mcts", {"alpha": 1.5}, "alpha"),
        ("mcts", {"gate": "never"}, "gate"),
        ("mcts", {"rounds": "many"}, "rounds"),
        ("greedy", {"answer_by": "worst"}, "answer_by"),
        ("mcts-improved", {"widening": 0}, "widening"),
        ("tot-bfs", {"keep": -1}, "keep"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_key(
    method: str, values: dict[str, object], named: str
) -> None:
    with pytest.raises(InputError) as caught:
        method_settings(method, values, "here")
    message = str(caught.value)
    assert message.startswith(f"here: {named}: ") and "\n" not in message
    assert repr(values[named]) in message


@pytest.mark.parametrize(
    ("method", "rule", "name"),
    [
        ("greedy", "first", "greedy"),
        ("self-consistency", "majority", "self-consistency"),
        ("best-of-n", "majority", "self-consistency"),
        ("best-of-n", "value-vote", "self-consistency, value vote"),
        ("self-consistency", "best-minimum", "best-of-n, minimum"),
        ("best-of-n", "best-last", "best-of-n, last"),
        ("mcts", "best-value", "mcts"),
        ("mcts", "majority", "mcts, majority"),
    ],
)
def test_rows_of_an_evaluation_are_called_after_method_and_rule(method: str, rule: str, name: str) -> None:
    assert row_name(method, rule) == name


@pytest.mark.parametrize("values", [{"answer_by": "worst"}, {"read_by": ["majority", "worst"]}])
def test_an_unknown_answer_rule_lists_what_there_is(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"unknown answer rule: choose from first, best-value, .*'worst'"):
        method_settings("mcts", values, "here")


def test_the_schema_of_settings_names_the_answer_rules() -> None:
    schema = METHODS["mcts"].settings.model_json_schema()["properties"]
    assert schema["answer_by"]["enum"] == schema["read_by"]["items"]["enum"] == [*RULES]


def test_settings_cannot_be_changed_and_survive_a_round_trip() -> None:
    for method in METHODS:
        settings = METHODS[method].settings()
        assert method_settings(method, settings.model_dump(mode="json"), "here") == settings
        with pytest.raises(ValueError, match="frozen"):
            settings.end_gate = 0.1


def test_the_defaults_of_mcts_are_those_of_the_paper_in_evaluation() -> None:
    settings = Mcts()
    assert (settings.branch, settings.rollout_branch, settings.rounds) == (3, 1, 50)
    assert (settings.rollout_steps, settings.exploration, settings.unvisited_bonus) == (2, 0.4, 0.8)
    assert (settings.alpha, settings.end_gate) == (0.5, 0.9)
    assert not settings.keep_rollouts and not settings.close_finished
