"""The openai engine against a server that fails in every way that servers do."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fault_server import FaultServer

from restmcts.engines.base import Sample, Sampling
from restmcts.engines.byte_tokens import PROBLEM_END
from restmcts.engines.critic import RuleCritic
from restmcts.engines.factory import open_policy, open_value
from restmcts.engines.openai_client import RejectedError, is_loopback
from restmcts.engines.openai_policy import OpenAiPolicy
from restmcts.engines.prompted_value import PromptedValueModel
from restmcts.engines.settings import ModelSettings, OpenAiSettings
from restmcts.errors import EngineError, InputError
from restmcts.problems.base import Problem
from restmcts.search.driver import Engines, SearchTask, run_search
from restmcts.search.settings import Mcts, SelfConsistency
from restmcts.settings import checked
from store.trace import Header, SearchRecord, Step, Stopped

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    # A proxy that leads nowhere: what goes to this machine must not ask it.
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def settings(server: FaultServer, **changes: Any) -> OpenAiSettings:
    return OpenAiSettings(**{"base_url": server.url, "retries": 2, "timeout": 5.0} | changes)


def open_engine(server: FaultServer, **changes: Any) -> OpenAiPolicy:
    return OpenAiPolicy("tiny", settings(server, **changes))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def propose(policy: OpenAiPolicy, written: str = "", **changes: Any) -> list[Sample]:
    wanted: dict[str, Any] = {"seeds": [0, 1], "max_tokens": 30, "until": "step", "temperature": 0.7}
    prompt = (*policy.prompt("What is x?"), *policy.tokens(Step(written)))
    return asyncio.run(policy.propose(prompt, **wanted | changes))


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
    (sample,) = asyncio.run(policy.propose(asked, seeds=[0], max_tokens=4, until="end", temperature=0.0))
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


# Faults that pass


@pytest.mark.parametrize("faults", [(429,), (500, 503), ("cut",), ("garbage",), ("odd",), ("silent",)])
def test_a_request_is_tried_again(server: FaultServer, faults: tuple[int | str, ...]) -> None:
    policy = open_engine(server, timeout=0.3)
    asked = len(server.posts)
    server.fail(*faults)
    assert len(propose(policy)) == 2
    assert len(server.posts) - asked == 1 + len(faults)
    policy.close()


def test_no_search_is_lost_by_faults_that_pass() -> None:
    calmly = ["fine"] * 3
    faults: list[int | str] = [429, "cut", *calmly, 500, "garbage", *calmly, "odd", *calmly, "silent", 503]
    with FaultServer() as server:
        # One request at a time, so that no request meets more faults in a row than it is tried again.
        policy = open_engine(server, timeout=1.5, concurrency=1)
        value = PromptedValueModel(open_engine(server, timeout=1.5, concurrency=1))
        calm = [run(policy, value, seed) for seed in (1, 2)]
        for fault in faults:
            server.fail(fault)
        shaken = [run(policy, value, seed) for seed in (1, 2)]
        assert not server._faults
        assert server.silent == 1
        policy.close()
        value.close()
    assert [record.events for record in shaken] == [record.events for record in calm]
    assert {record.result.reason for record in calm} <= {"gate", "rounds", "exhausted"}
    assert all(record.result.answer in {"0", "1", "2"} for record in calm)
    assert calm[0].events != calm[1].events


def run(policy: OpenAiPolicy, value: PromptedValueModel, seed: int) -> SearchRecord:
    """One search in an event loop of its own."""
    method = Mcts(rounds=6, early_stop=False)
    header = Header(
        id=f"s/{seed}", phase="s", problem="p", question="What is x?", oracle="1", method="mcts",
        answer_by="best-value", seed=seed, policy="tiny", value="tiny",
    )  # fmt: skip
    engines = Engines(policy, value, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
    return asyncio.run(run_search(SearchTask(header, Problem("p", "What is x?", "1"), method), engines))


# Faults that stay


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (429, "HTTP 429: no luck (after 1 retries)"),
        (500, "HTTP 500: no luck (after 1 retries)"),
        ("cut", "cannot be reached"),
        ("garbage", "something that is not a completion"),
        ("silent", "no reply within 0.2 s (after 1 retries)"),
    ],
)
def test_a_fault_that_stays_is_one_clear_line(server: FaultServer, fault: int | str, words: str) -> None:
    policy = open_engine(server, retries=1, timeout=0.2)
    server.fail(fault, fault)
    with pytest.raises(EngineError) as caught:
        propose(policy)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "tiny at http://127.0.0.1" in str(caught.value)
    policy.close()


@pytest.mark.parametrize(
    ("status", "says", "words"),
    [
        (400, "maximum context length is 10 tokens", "may be too long for the model"),
        (400, "bad \x1b[31m\nthing", "HTTP 400: bad \ufffd[31m thing"),
        (404, "no such model", "check the model's name"),
        (403, "go away", "environment variable OPENAI_API_KEY is missing or refused"),
    ],
)
def test_a_refusal_is_not_tried_again(server: FaultServer, status: int, says: str, words: str) -> None:
    policy = open_engine(server)
    asked = len(server.posts)
    server.says = says
    server.fail(status)
    with pytest.raises(EngineError) as caught:
        propose(policy)
    assert words in str(caught.value)
    assert len(server.posts) == asked + 1
    policy.close()


def test_a_search_that_meets_a_refusal_fails_with_it(server: FaultServer) -> None:
    policy, value = open_engine(server), PromptedValueModel(open_engine(server))
    server.says = "context length exceeded"
    server.fail(400)
    record = run(policy, value, 1)
    last = record.events[-1]
    assert isinstance(last, Stopped) and last.reason == "failed"
    assert last.message is not None and "may be too long" in last.message
    policy.close()
    value.close()


def test_a_withheld_text_is_an_error() -> None:
    class Filtered(FaultServer):
        def _cut(self, text: str, limit: int, stop: list[str]) -> Any:
            choice, count = super()._cut(text, limit, stop)
            return choice | {"finish_reason": "content_filter"}, count

    with Filtered() as server:
        policy = open_engine(server)
        with pytest.raises(EngineError, match="content_filter"):
            propose(policy)
        policy.close()


def test_nobody_at_the_address() -> None:
    before = threading.active_count()
    nowhere = OpenAiSettings(base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(EngineError, match="cannot be reached"):
        OpenAiPolicy("tiny", nowhere)
    assert threading.active_count() == before


# Keys


def test_the_key_comes_from_the_environment_and_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(key=KEY) as server:
        monkeypatch.setenv("MY_KEY", KEY)
        policy = open_engine(server, api_key_variable="MY_KEY")
        assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
        server.key = "another"
        with pytest.raises(EngineError) as caught:
            propose(policy)
        assert KEY not in str(caught.value) and "[key]" in str(caught.value)
        assert "MY_KEY is missing or refused" in str(caught.value)
        assert caught.value.__cause__ is None
        policy.close()


def test_a_server_without_keys_needs_none(server: FaultServer) -> None:
    open_engine(server).close()
    assert server.seen[-1].headers["authorization"] == "Bearer none"


def test_the_hosted_service_needs_a_key() -> None:
    with pytest.raises(InputError, match="set the environment variable OPENAI_API_KEY"):
        OpenAiPolicy("gpt", OpenAiSettings())


@pytest.mark.parametrize(
    "given",
    [
        {"api_key_variable": KEY},
        {"base_url": f"http://user:{KEY}@127.0.0.1/v1"},
        {"base_url": f"http://127.0.0.1/v1?key={KEY}"},
        {"base_url": "127.0.0.1:8000"},
    ],
)
def test_settings_refuse_keys_without_repeating_them(given: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        checked(ModelSettings, {"openai": given}, "recipe")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]/v1", True),
        ("http://localhost:1", True),
        ("https://api.openai.com/v1", False),
        ("http://127.0.0.1.example.com/v1", False),
    ],
)
def test_what_is_on_this_machine(url: str, loopback: bool) -> None:
    assert is_loopback(url) == loopback


# Event loops, limits, cancelling


def test_no_more_requests_than_wanted_are_in_flight() -> None:
    """The server answers only when three wait, which takes three connections; a fourth would be opened."""
    with FaultServer(ignores_n=True) as server:
        policy = open_engine(server, concurrency=3)
        server.hold = 3
        assert len(propose(policy, seeds=list(range(21)))) == 21
        assert server.connections == 3
        policy.close()


def test_a_cancelled_request_hangs_up_and_gives_its_place_back(server: FaultServer) -> None:
    policy = open_engine(server, concurrency=1, timeout=60.0)
    server.fail("silent")

    async def cancel() -> list[Sample]:
        prompt = policy.prompt("What is x?")
        wish: dict[str, Any] = {"seeds": [0], "max_tokens": 9, "until": "step", "temperature": 0.7}
        waiting = asyncio.ensure_future(policy.propose(prompt, **wish))
        assert await asyncio.to_thread(server.arrived.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(server.hung_up.wait, 10)
        return await asyncio.wait_for(policy.propose(prompt, **wish), 10)

    assert len(asyncio.run(cancel())) == 1
    policy.close()


def test_closing_ends_those_who_wait(server: FaultServer) -> None:
    policy = open_engine(server, timeout=60.0)
    server.fail("silent")

    async def close() -> None:
        waiting = asyncio.ensure_future(
            policy.propose(policy.prompt("x"), seeds=[0], max_tokens=9, until="step", temperature=0.7)
        )
        assert await asyncio.to_thread(server.arrived.wait, 10)
        await asyncio.to_thread(policy.close)
        with pytest.raises(EngineError, match="was closed"):
            await waiting

    asyncio.run(close())
    with pytest.raises(EngineError, match="is closed"):
        propose(policy)
    policy.close()


def test_a_prompt_without_its_mark_is_a_defect(server: FaultServer) -> None:
    policy = open_engine(server)
    assert policy.prompt("é")[-1] == PROBLEM_END and len(policy.prompt("é")) == 3
    with pytest.raises(ValueError, match="no mark"):
        asyncio.run(policy.propose((65,), seeds=[0], max_tokens=1, until="end", temperature=0.0))
    policy.close()


# The factory


def test_the_factory_opens_both_models(server: FaultServer) -> None:
    models = ModelSettings(policy="tiny", engine="openai", openai=settings(server, value_samples=2))
    assert (models.policy_name, models.value_name) == ("tiny", "tiny")
    policy, value = open_policy(None, models, name="tiny"), open_value(None, models, name="tiny")  # type: ignore[arg-type]
    assert isinstance(policy, OpenAiPolicy) and isinstance(value, PromptedValueModel)
    prompt = (*value.prompt("What is x?"), *value.tokens(Step("Add 1.\n")))
    (score,) = asyncio.run(value.score([prompt]))
    assert 0.1 <= score <= 0.9
    assert server.posts[-1].body["n"] == 2
    policy.close()
    value.close()


def test_names_on_a_server_are_no_folders() -> None:
    here = ModelSettings(policy="a/b", value="c", engine="openai", value_engine="transformers")
    assert (here.policy_name, here.value_name) == ("a/b", os.path.abspath("c"))  # noqa: PTH100
    assert ModelSettings(policy="a", engine="openai", value_engine="transformers").value_name is None
    assert ModelSettings(policy="a", value_engine="openai").value_name is None


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch, server: FaultServer) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    models = ModelSettings(policy="tiny", engine="openai", openai=settings(server))
    with pytest.raises(InputError, match=r'pip install "restmcts\[openai\]"'):
        open_policy(None, models, name="tiny")  # type: ignore[arg-type]


def test_traces_by_self_consistency(server: FaultServer) -> None:
    policy = open_engine(server)
    method = SelfConsistency(samples=5)
    header = Header(
        id="s/1", phase="s", problem="p", question="What is x?", oracle="1", method="self-consistency",
        answer_by="majority", seed=1, policy="tiny",
    )  # fmt: skip
    engines = Engines(policy, None, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
    task = SearchTask(header, Problem("p", "What is x?", "1"), method)
    record = asyncio.run(run_search(task, engines))
    assert record.result.reason == "samples"
    assert record.result.cost.policy == 5 * 17
    assert record.result.answer in {"0", "1", "2"}
    policy.close()
