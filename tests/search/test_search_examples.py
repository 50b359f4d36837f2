"""Solved examples before a problem: who reads them, and what a policy writes behind its own solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from restmcts.engines.base import Sample
from restmcts.problems.problem import Problem
from restmcts.prompts import before_next_example, with_examples
from restmcts.search.running.task import SearchTask
from store.events import Step
from tests.search.search_engines import LIMITED, Judge, Writer, engines, run, task

EXAMPLES = (("1+1?", "It is 2.\n"), ("2+2?", "4"))


def asked(method: str) -> SearchTask:
    wanted = task(method, LIMITED[method], budget=400)
    return replace(wanted, problem=Problem("p", "q", "1", examples=EXAMPLES))


def test_examples_and_the_problem_have_one_form() -> None:
    assert with_examples("q", ()) == "q"
    assert with_examples("q", EXAMPLES) == (
        "Problem:\n1+1?\n\nSolution:\nIt is 2.\n\nProblem:\n2+2?\n\nSolution:\n4\n\nProblem:\nq\n\nSolution:"
    )


def test_the_policy_reads_the_examples_and_the_value_model_does_not() -> None:
    policy, judge = Writer(), Judge()
    record = run(asked("mcts"), engines(policy, judge))
    shown = policy.prompt(with_examples("q", EXAMPLES))
    assert len(policy.calls) > 5
    assert all(call.prompt[: len(shown)] == shown for call in policy.calls)
    assert judge.scored
    assert all(len(prompt) < len(shown) and prompt[:3] == judge.prompt("q") for prompt in judge.scored)
    assert record.header.question == "q"
    assert record.header.settings["examples"] == [list(example) for example in EXAMPLES]
    assert "examples" not in run(task("mcts", LIMITED["mcts"]), engines(Writer(), Judge())).header.settings


class GoesOn(Writer):
    """A policy that invents a further problem behind every solution."""

    def write(self, prompt: Sequence[int], seed: int, most: int, until: str, temperature: float) -> Sample:
        sample = super().write(tuple(prompt), seed, most, until, temperature)
        further = (Step("Problem:\n", (9,)), Step("3+3?\n", (9,)), Step("the answer is 6", (9,), ended=True))
        return replace(sample, steps=(*sample.steps, *further)) if until == "end" else sample


def test_a_trace_ends_before_a_problem_that_the_policy_invents() -> None:
    record = run(asked("self-consistency"), engines(GoesOn(), False))
    texts = [step.text for event in record.events for step in getattr(event, "steps", ())]
    assert texts
    assert not [text for text in texts if text.startswith("Problem:")]
    assert record.result.answer not in (None, "6")
    without = task("self-consistency", LIMITED["self-consistency"], budget=400)
    assert run(without, engines(GoesOn(), False)).result.answer == "6"


@given(st.lists(st.sampled_from(["a\n", " Problem:\n", "Problem: x\n", "A Problem:\n"]), max_size=6))
def test_what_is_kept_is_how_the_solution_begins(texts: list[str]) -> None:
    steps = [Step(text) for text in texts]
    kept = before_next_example(steps)
    assert list(kept) == steps[: len(kept)]
    assert bool(kept) == bool(steps)
    assert not [step for step in kept[1:] if step.text.lstrip().startswith("Problem:")]
