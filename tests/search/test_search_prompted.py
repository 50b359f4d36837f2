"""Searches whose value model and self-critic are language models: what they generate is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.engines.base import Grade, Sampling, Tokens
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.grading.verdicts import Verdict
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import BestOfN
from restmcts.search.registry import METHODS
from store.events import Cost, Critiqued, SearchRecord, Step, Stopped
from store.tree import fold
from tests.search.search_engines import LIMITED, Judge, Writer, dice, engines, run, task

MOST = 6


@dataclass
class Grader(Judge):
    """A value model that generates one to MOST tokens for a value, and reads 5."""

    most_tokens: int = MOST
    generated: int = 0

    async def grade(self, prompts: Sequence[Tokens]) -> list[Grade]:
        scores = await self.score(prompts)
        tokens = [dice("grade", prompt).randint(1, MOST) for prompt in prompts]
        self.generated += sum(tokens)
        return [Grade(score, 5, count) for score, count in zip(scores, tokens, strict=True)]


class Adviser(RuleCritic):
    """A critic that gives advice for three tokens, as long as there are so many."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []
        self.generated = 0

    async def judge(self, problem: Problem, steps: Sequence[Step], most: int | None) -> Verdict:
        verdict = await super().judge(problem, steps, most)
        if verdict.finished or (most is not None and most < 3):
            return verdict
        self.asked.append(tuple(step.text for step in steps))
        self.generated += 3
        return Verdict(False, advice=f"heed {len(steps)}", cost=Cost(critic=3, prompt=11, calls=1))


def spent(record: SearchRecord) -> Cost:
    total = Cost()
    for event in record.events:
        total += event.cost
    return total


@pytest.mark.parametrize("method", METHODS)
def test_what_is_generated_for_values_and_verdicts_is_recorded(method: str) -> None:
    policy, grader, critic = Writer(), Grader(), Adviser()
    record = run(task(method, LIMITED[method]), engines(policy, grader, critic=critic))
    assert record.result.reason != "failed"
    cost = spent(record)
    assert cost == record.result.cost
    assert (cost.policy, cost.critic) == (policy.generated, grader.generated + critic.generated)
    assert cost.value == 5 * len(grader.scored)
    assert cost.prompt == sum(len(call.prompt) for call in policy.calls) + 11 * len(critic.asked)
    assert cost.generated == policy.generated + grader.generated + critic.generated


@given(
    method=st.sampled_from(sorted(METHODS)),
    budget=st.integers(1, 300),
    early=st.booleans(),
    parallel=st.integers(1, 4),
    seed=st.integers(0, 2**48),
    advised=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_budget_holds_for_everything_generated(
    method: str, budget: int, early: bool, parallel: int, seed: int, advised: bool
) -> None:
    policy, grader, critic = Writer(empty=0.1), Grader(), Adviser()
    wanted = METHODS[method].settings
    more: dict[str, Any] = {"parallel_rounds": parallel} if "parallel_rounds" in wanted.model_fields else {}
    chosen = wanted(early_stop=early, **more)
    used = engines(policy, grader, critic=critic if advised else None, sampling=Sampling(step_tokens=8))
    record = run(task(method, chosen, budget=budget, seed=seed), used)
    generated = policy.generated + grader.generated + critic.generated
    assert generated <= budget
    assert spent(record).generated == record.result.cost.generated == generated


def test_a_search_ends_where_no_value_can_be_paid_for_any_more() -> None:
    record = run(task("mcts", Mcts(rounds=0), budget=40), engines(Writer(), Grader(highest=0.5)))
    assert record.result.reason == "budget"
    assert 40 - 3 * MOST < record.result.cost.generated <= 40
    tree = fold(record.events)
    assert any(node.score is not None for node in tree.nodes)


def test_traces_keep_something_for_their_values() -> None:
    """Best-of-N without a number of traces: all but the last one have values when the budget is spent."""
    wanted = BestOfN(samples=0, answer_by="best-last", early_stop=False)
    record = run(task("best-of-n", wanted, budget=200), engines(Writer(), Grader()))
    finished = fold(record.events).finished()
    assert len(finished) >= 4
    assert sum(node.score is not None for node in finished) >= len(finished) - 1


def test_without_a_generating_model_traces_are_drawn_together() -> None:
    policy = Writer()
    run(task("best-of-n", BestOfN(samples=5, early_stop=False), budget=500), engines(policy, Judge()))
    assert len(policy.calls) == 1


def test_advice_of_a_node_is_in_the_prompt_of_its_children_alone() -> None:
    class Reading(Writer):
        problems: list[str] = []  # noqa: RUF012

        def prompt(self, problem: str) -> Tokens:
            self.problems.append(problem)
            return super().prompt(problem)

    policy, critic = Reading(), Adviser()
    record = run(task("mcts", Mcts(rounds=4, early_stop=False)), engines(policy, Judge(), critic=critic))
    advice = {event.advice for event in record.events if isinstance(event, Critiqued)}
    assert "heed 1" in advice
    assert policy.problems[0] == "q"
    assert "q\n\nAdvice for the next step: heed 1" in policy.problems
    plain, advised = policy.prompt("q"), policy.prompt("q\n\nAdvice for the next step: heed 1")
    first, *others = [call.prompt for call in policy.calls]
    assert first == plain
    assert any(prompt[: len(advised)] == advised for prompt in others)


def test_a_node_that_is_declared_finished_is_not_asked_about() -> None:
    critic = Adviser()
    record = run(task("mcts", Mcts(rounds=3)), engines(Writer(empty=1.0), Judge(), critic=critic))
    assert any(isinstance(event, Critiqued) and event.finished for event in record.events)
    assert critic.asked == []


def test_a_critic_that_fails_ends_its_search() -> None:
    from restmcts.errors import EngineError

    class Mute(RuleCritic):
        async def judge(self, problem: Problem, steps: Sequence[Step], most: int | None) -> Verdict:
            raise EngineError("mute")

    record = run(task("mcts", Mcts()), engines(Writer(), Judge(), critic=Mute()))
    last = record.events[-1]
    assert isinstance(last, Stopped) and (last.reason, last.message) == ("failed", "mute")
