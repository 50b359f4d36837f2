"""A language model that is asked: grades of a value model, verdicts of a self-critic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.openai.byte_prompts import QUESTION_END, encode_text, split_prompt
from restmcts.engines.prompted.critic import CRITIC_TOKENS, STATE_THE_ANSWER, PromptedCritic, RuleCritic
from restmcts.engines.prompted.value import GRADE_TOKENS, PromptedValueModel, parse_grade
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.errors import EngineError
from restmcts.grading.verdicts import Verdict
from restmcts.problems.problem import Problem
from store.events import Cost, Step
from tests.engines.engine_models import llama, word_tokenizer


@dataclass
class Speaker:
    """A policy that gives the same replies again and again, one word a token."""

    replies: Sequence[str]
    context: int = 10_000
    prompt_tokens: int | None = 7
    name: str = "speaker"
    asked: list[tuple[str, str, SamplingRequest]] = field(default_factory=list)
    given: int = 0
    closed: bool = False

    def prompt(self, problem: str) -> Tokens:
        raise AssertionError("a question is no problem")

    def question(self, text: str, reply: str) -> Tokens:
        return (*encode_text(text), QUESTION_END, *encode_text(reply))

    def tokens(self, step: Step) -> Tokens:
        return encode_text(step.text)

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        _, text, reply = split_prompt(request.prompt)
        self.asked.append((text, reply, request))
        samples = []
        for _ in request.seeds:
            text = self.replies[self.given % len(self.replies)]
            self.given += 1
            steps = (Step(text, ended=True),) if text else ()
            samples.append(Sample(steps, len(text.split()) + 1, False, self.prompt_tokens))
        return samples

    def stats(self) -> dict[str, float]:
        return {"requests": float(len(self.asked))}

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("0.8", 0.8),
        (" .25\n", 0.25),
        ("1", 1.0),
        ("0", 0.0),
        ("**1**", 1.0),
        ("1.0 because all is right", 1.0),
        ("Grade: 1", 1.0),
        ("The grade is 0.75.", 0.75),
        ("Number: 0\nThe first step is wrong.", 0.0),
        ("8/10", 0.8),
        ("I would say 8 out of 10", 0.8),
        ("85%", 0.85),
        ("about 85 percent", 0.85),
        ("On a scale from 0 to 1: 0.6", 0.6),
        ("[0, 1]: 0.3", 0.3),
        ("between 0.0 and 1.0, it is 0.4", 0.4),
        ("3/0 or 0.5", 0.5),
        ("1.5, no, 0.5", 0.5),
        ("8", None),
        ("1. The first step is right", None),
        ("Step 1 is right", None),
        ("1 - everything is fine", None),
        ("-0.5", None),
        ("0,8", None),
        ("0.8.1", None),
        ("12/10", None),
        ("150 %", None),
        ("nan", None),
        ("", None),
        ("v0.9", None),
    ],
)
def test_what_counts_as_a_grade(reply: str, grade: float | None) -> None:
    assert parse_grade(reply) == grade


@given(st.text(max_size=80))
def test_a_grade_is_in_range_whatever_is_said(reply: str) -> None:
    grade = parse_grade(reply)
    assert grade is None or 0 <= grade <= 1


@given(st.floats(0.01, 0.99), st.sampled_from(["{}", "Score: {}", "I give it {}.", "{}\nbecause", "{} / 1"]))
def test_a_decimal_is_found_wherever_it_stands(value: float, form: str) -> None:
    assert parse_grade(form.format(f"{value:.4f}")) == float(f"{value:.4f}")


def grade(model: PromptedValueModel, *solutions: str) -> Any:
    prompts = [(*model.prompt("What {is} x?"), *model.tokens(Step(text))) for text in solutions]
    return asyncio.run(model.grade(prompts))


def test_the_question_holds_problem_and_solution() -> None:
    speaker = Speaker(["0.5"])
    model = PromptedValueModel(speaker)
    grade(model, "Add {2}.\nThen 3.\n", "")
    (first, reply, request), (second, *_) = speaker.asked
    assert "Problem:\nWhat {is} x?\n" in first and "Solution so far:\nAdd {2}.\nThen 3.\n\nHow" in first
    assert "Solution so far:\n(nothing yet)\n" in second
    assert reply == "Number:"
    assert request == SamplingRequest(request.prompt, range(1), GRADE_TOKENS, "end", temperature=0.0)


def test_several_grades_are_averaged_and_counted() -> None:
    speaker = Speaker(["0.2", "0.4", "Grade: 0.9"])
    model = PromptedValueModel(speaker, samples=3)
    (found,) = grade(model, "Add.\n")
    assert (found.value, found.read, found.generated, found.calls) == (0.5, 7, 2 + 2 + 3, 1)
    assert model.most_tokens == 2 * 3 * GRADE_TOKENS
    assert speaker.asked[0][2].temperature > 0


def test_a_reply_without_a_grade_is_asked_for_once_more() -> None:
    speaker = Speaker(["well", "0.4"])
    (found,) = grade(PromptedValueModel(speaker), "Add.\n")
    assert (found.value, found.read, found.generated, found.calls) == (0.4, 14, 4, 2)
    first, second = (request for _, _, request in speaker.asked)
    assert list(first.seeds) != list(second.seeds)
    assert second.temperature > 0


def test_only_the_missing_grades_are_asked_for_again() -> None:
    speaker = Speaker(["0.1", "well", "0.3", "0.5"])
    (found,) = grade(PromptedValueModel(speaker, samples=3), "Add.\n")
    assert found.value == 0.3
    assert [len(request.seeds) for _, _, request in speaker.asked] == [3, 1]


def test_twice_no_grade_is_an_error_and_no_value() -> None:
    with pytest.raises(EngineError, match=r"speaker: gave no grade .* 'it depends'"):
        grade(PromptedValueModel(Speaker(["it\ndepends"])), "Add.\n")


def test_the_model_is_closed_and_counted_through() -> None:
    speaker = Speaker(["0.5"], prompt_tokens=None)
    model = PromptedValueModel(speaker)
    assert asyncio.run(model.score([(*model.prompt("x"), 65)])) == [0.5]
    assert model.context < speaker.context
    assert model.stats() == {"requests": 1.0}
    model.close()
    assert speaker.closed


# The critic


def judge(speaker: Speaker, *steps: Step, most: int | None = None) -> Verdict:
    return asyncio.run(PromptedCritic(speaker).judge(Problem("p", "What is x?"), steps, most))


@pytest.mark.parametrize("reply", ["DONE", " done.", '"Done"', "DONE: nothing is left"])
def test_a_solution_that_is_said_to_be_complete(reply: str) -> None:
    verdict = judge(Speaker([reply]), Step("So x = 5\n"))
    assert (verdict.finished, verdict.answer, verdict.advice) == (True, "5", None)
    assert verdict.cost == Cost(critic=len(reply.split()) + 1, prompt=7, calls=1)


def test_complete_without_an_answer_means_to_state_it() -> None:
    verdict = judge(Speaker(["DONE"]), Step("All is clear.\n"))
    assert (verdict.finished, verdict.answer, verdict.advice) == (False, None, STATE_THE_ANSWER)
    assert verdict.cost.critic == 2


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        ("Check  the\tsign.", "Check the sign."),
        ("It is not done yet: add 2.", "It is not done yet: add 2."),
        ("Donec", "Donec"),
        ("x" * 999, "x" * 300),
        ("", None),
    ],
)
def test_advice(reply: str, advice: str | None) -> None:
    verdict = judge(Speaker([reply]), Step("Add.\n"))
    assert (verdict.finished, verdict.answer, verdict.advice) == (False, None, advice)


def test_the_policy_is_asked_about_the_whole_solution() -> None:
    speaker = Speaker(["Go on."], prompt_tokens=None)
    verdict = judge(speaker, Step("Add {2}.\n"), Step("Then 3.\n"))
    ((text, reply, request),) = speaker.asked
    assert "Problem:\nWhat is x?\n" in text and "so far:\nAdd {2}.\nThen 3.\n" in text
    assert (request.until, request.temperature, request.max_tokens) == ("step", 0.0, CRITIC_TOKENS)
    assert reply == "Reply:"
    assert verdict.cost.prompt == len(text) + 1 + len("Reply:")


@pytest.mark.parametrize(
    ("steps", "most", "context"),
    [
        ((Step("The answer is 7.\n"),), None, 10_000),
        ((Step("7", ended=True),), None, 10_000),
        ((), None, 10_000),
        ((Step("Add.\n"),), CRITIC_TOKENS - 1, 10_000),
        ((Step("Add.\n"),), None, 100),
    ],
)
def test_where_the_rule_decides_nobody_is_asked(
    steps: tuple[Step, ...], most: int | None, context: int
) -> None:
    speaker = Speaker(["DONE"], context=context)
    assert judge(speaker, *steps, most=most) == asyncio.run(
        RuleCritic().judge(Problem("p", "x"), steps, most)
    )
    assert not speaker.asked


def test_a_local_policy_can_be_asked_too() -> None:
    """The question goes through the prompt format of the model, without the instruction to solve it."""
    tokenizer = word_tokenizer()
    tokenizer.chat_template = "{% for turn in messages %}{{ turn['content'] }} = {% endfor %}"
    policy = TransformersPolicy((llama(max_position_embeddings=2048), tokenizer))
    assert tokenizer.decode(policy.question("1 + 2", "3 ")) == "1 + 2 = 3 "
    assert len(policy.prompt("1 + 2")) > len(policy.question("1 + 2", "3 "))
    verdict = asyncio.run(PromptedCritic(policy).judge(Problem("p", "1 + 2"), [Step("1 + 2\n")], None))
    assert 0 < verdict.cost.critic <= CRITIC_TOKENS
    assert verdict.cost.prompt > 50 and not verdict.finished
    policy.close()
