"""The openai engine: what it sends, what it reads, and what a server may lack."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from restmcts.engines.base import SamplingRequest
from restmcts.engines.openai.client import RejectedError
from store.events import Step
from tests.engines.fault_server import FaultServer
from tests.engines.openai_engines import open_engine, propose

pytestmark = pytest.mark.usefixtures("own_environment")


# Requests and replies


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_steps_end_at_newlines_and_the_last_one_ends_the_text(server: FaultServer, api: str) -> None:
    policy = open_engine(server, api=api)
    first = propose(policy)
    assert [sample.steps[0].text for sample in first] == ["Add 0 to both sides.\n", "Add 1 to both sides.\n"]
    assert all(not sample.steps[0].ended and not sample.truncated for sample in first)
    assert [(sample.generated, sample.steps[0].logprob) for sample in first] == [(6, -3.0), (6, -3.0)]
    (last,) = propose(policy, "Add 0.\nThat gives 4.\n", seeds=[2])
    assert last.steps == (Step("The answer is 2.", logprob=-2.5, ended=True),)
    policy.close()


def test_what_a_completion_request_says(server: FaultServer) -> None:
    policy = open_engine(server)
    propose(policy, "Add 0.\n", seeds=[2**62 + 7, 2**62 + 8], top_p=0.9)
    body = server.posts[-1].body
    assert body["prompt"].startswith("Problem:\nWhat is x?\n\nSolve the problem step by step.")
    assert body["prompt"].endswith("\n\nSolution:\nAdd 0.\n")
    del body["prompt"]
    assert body == {
        "model": "tiny",
        "max_tokens": 30,
        "temperature": 0.7,
        "top_p": 0.9,
        "n": 2,
        "seed": 7,
        "logprobs": 1,
        "stop": ["\n"],
    }
    policy.close()


def test_a_chat_continues_the_turn_of_the_assistant(server: FaultServer) -> None:
    policy = open_engine(server, api="chat", instruction="Be brief.")
    propose(policy, "Add 0.\n")
    body = server.posts[-1].body
    assert body["messages"] == [
        {"role": "user", "content": "What is x?\n\nBe brief."},
        {"role": "assistant", "content": "Add 0.\n"},
    ]
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    propose(policy)
    body = server.posts[-1].body
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert "continue_final_message" not in body
    policy.close()


def test_a_template_and_a_question(server: FaultServer) -> None:
    policy = open_engine(server, template="Q: {problem} ({instruction})\nA:", instruction="{problem}!")
    propose(policy, " Add.\n")
    assert server.posts[-1].body["prompt"] == "Q: What is x? ({problem}!)\nA: Add.\n"
    asked = policy.question("What now? Give one number between 0 and 1.", "Number:")
    (sample,) = asyncio.run(
        policy.propose(SamplingRequest(asked, seeds=[0], max_tokens=4, until="end", temperature=0.0))
    )
    assert server.posts[-1].body["prompt"] == "What now? Give one number between 0 and 1.\nNumber:"
    assert sample.steps[0].text.startswith("0.")
    policy.close()


def test_a_whole_trace_is_cut_into_lines(server: FaultServer) -> None:
    policy = open_engine(server)
    (sample,) = propose(policy, seeds=[1], until="end")
    assert [step.text for step in sample.steps] == [
        "Add 1 to both sides.\n",
        "That gives 1 + 4.\n",
        "The answer is 1.",
    ]
    assert [step.ended for step in sample.steps] == [False, False, True]
    assert "stop" not in server.posts[-1].body
    assert (sample.generated, sample.truncated) == (17, False)
    (cut,) = propose(policy, seeds=[1], until="end", max_tokens=9)
    assert (cut.generated, cut.truncated, cut.steps[-1].ended) == (9, True, False)
    policy.close()


def test_tokens_are_counted_as_the_server_counts_them(server: FaultServer) -> None:
    policy = open_engine(server)
    before = policy.stats()
    samples = propose(policy)
    assert {sample.prompt for sample in samples} == {len(server_body(server)) // 3}
    after = policy.stats()
    assert after["generated_tokens"] - before["generated_tokens"] == 12
    assert after["prompt_tokens"] - before["prompt_tokens"] == samples[0].prompt
    assert after["requests"] - before["requests"] == 1
    policy.close()


def server_body(server: FaultServer) -> str:
    return json.dumps(server.posts[-1].body)


def test_many_samples_are_split_into_requests_and_greedy_ones_are_alone(server: FaultServer) -> None:
    policy = open_engine(server)
    asked = len(server.posts)
    assert len(propose(policy, seeds=list(range(70)))) == 70
    assert sorted(seen.body.get("n", 1) for seen in server.posts[asked:]) == [6, 32, 32]
    asked = len(server.posts)
    assert len(propose(policy, seeds=[1, 2], temperature=0.0)) == 2
    assert [seen.body.get("n", 1) for seen in server.posts[asked:]] == [1, 1]
    policy.close()


@pytest.mark.parametrize("told", [True, False])
def test_a_blank_line_is_no_step(told: bool) -> None:
    """The model writes blank lines between its steps: the first newline must not end the search."""

    def write(asked: str, written: str, number: int) -> str:
        return "\n\nNext step.\nAnd more." if written else "First.\n"

    with FaultServer(write=write, stop_reason=told) as server:
        policy = open_engine(server)
        (sample,) = propose(policy, "First.\n", seeds=[3])
        assert sample.steps == (Step("\n\nNext step.\n"),)
        # One token for the newline that stopped it, and all of the second text.
        assert sample.generated == 1 + len(["\n", "\n", "Next ", "step.", "\n", "And ", "more.", "end"])
        assert not sample.truncated
        (sample,) = propose(policy, "First.\n", seeds=[3], max_tokens=4)
        assert (sample.steps, sample.generated, sample.truncated) == ((Step("\n\nNext "),), 4, True)
        (sample,) = propose(policy, "First.\n", seeds=[3], max_tokens=1)
        assert (sample.steps, sample.generated, sample.truncated) == ((), 1, True)
        policy.close()


def test_a_server_that_cannot_tell_the_end_from_a_newline() -> None:
    with FaultServer(stop_reason=False) as server:
        policy = open_engine(server)
        (last,) = propose(policy, "Add 0.\nThat gives 4.\n", seeds=[2])
        assert (last.steps[0].text, last.steps[0].ended) == ("The answer is 2.\n", False)
        (after,) = propose(policy, "Add 0.\nThat gives 4.\nThe answer is 2.\n", seeds=[2])
        assert (after.steps, after.truncated) == ((), False)
        policy.close()


# What a server lacks


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("lacks", ["n", "seed", "logprobs"])
def test_a_parameter_that_is_refused_is_left_out(lacks: str, names: bool) -> None:
    with FaultServer(lacks=frozenset({lacks}), names=names) as server:
        policy = open_engine(server)
        assert policy.dialect.features == {"n", "seed", "logprobs"} - {lacks}
        asked = len(server.posts)
        samples = propose(policy)
        assert [sample.steps[0].text[:5] for sample in samples] == ["Add 0", "Add 1"]
        assert all(lacks not in seen.body for seen in server.posts[asked:])
        policy.close()


def test_seeds_are_not_sent_where_they_are_not_wanted(server: FaultServer) -> None:
    policy = open_engine(server, seeds=False)
    propose(policy)
    assert policy.dialect.features == {"n", "logprobs"}
    assert not any("seed" in seen.body for seen in server.posts)
    policy.close()


def test_a_server_that_overlooks_n_gets_a_request_a_sample() -> None:
    with FaultServer(ignores_n=True) as server:
        policy = open_engine(server)
        asked = len(server.posts)
        samples = propose(policy, seeds=[0, 1, 2])
        assert [sample.steps[0].text[:5] for sample in samples] == ["Add 0", "Add 1", "Add 2"]
        assert sorted(seen.body["seed"] for seen in server.posts[asked:]) == [0, 1, 2]
        policy.close()


def test_a_server_with_chats_only() -> None:
    with FaultServer(apis=("chat",), lacks=frozenset({"continue_final_message"})) as server:
        with pytest.raises(RejectedError, match="HTTP 404"):
            open_engine(server, api="completions")
        policy = open_engine(server)
        assert policy.dialect.api == "chat"
        assert policy.dialect.features == {"n", "seed", "logprobs"}
        assert propose(policy, "Add 0.\n")[1].steps[0].text == "That gives 1 + 4.\n"
        assert "continue_final_message" not in server.posts[-1].body
        policy.close()


def test_a_server_with_neither_interface() -> None:
    with FaultServer(apis=()) as server, pytest.raises(RejectedError, match="HTTP 404: Not Found"):
        open_engine(server)


def test_another_name_for_the_limit() -> None:
    class Picky(FaultServer):
        def _reply(self, seen: Any, fault: Any) -> Any:
            if seen.method == "POST" and "max_tokens" in seen.body:
                return 400, {"error": {"message": "Unsupported: use 'max_completion_tokens' instead."}}
            return super()._reply(seen, fault)

    with Picky() as server:
        policy = open_engine(server)
        assert policy.dialect.limit == "max_completion_tokens"
        assert len(propose(policy)) == 2
        policy.close()


def test_without_usage_tokens_are_counted_from_what_there_is() -> None:
    with FaultServer(usage=False) as server:
        policy = open_engine(server)
        (sample,) = propose(policy, seeds=[0])
        assert (sample.generated, sample.prompt) == (6, None)
        policy.close()
    with FaultServer(usage=False, lacks=frozenset({"logprobs"})) as server:
        policy = open_engine(server)
        (sample,) = propose(policy, seeds=[0])
        assert sample.generated == len("Add 0 to both sides.") // 2 + 1
        policy.close()


@pytest.mark.parametrize(("given", "told", "tokens"), [(None, 900, 900), (500, 900, 500), (None, None, 4096)])
def test_the_context_is_what_is_given_and_what_the_server_says(
    given: int | None, told: int | None, tokens: int
) -> None:
    with FaultServer(length=told) as server:
        policy = open_engine(server, context=given, instruction="", template="{problem}")
        assert policy.context == 2 * (tokens - 5)
        policy.close()


def test_the_limit_of_tokens_leaves_room_for_the_prompt() -> None:
    with FaultServer(length=200) as server:
        policy = open_engine(server, instruction="", template="{problem}")
        propose(policy, "x" * 100, max_tokens=500)
        asked = server.posts[-1].body
        assert 0 < asked["max_tokens"] <= 200 - len(asked["prompt"]) / 2
        policy.close()
