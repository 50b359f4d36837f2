"""The openai engine against a server that fails in every way that servers do; keys, limits, the factory."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

import pytest

from restmcts.engines.base import Sample, Sampling, SamplingRequest
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.openai.byte_prompts import PROBLEM_END
from restmcts.engines.openai.client import is_loopback
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.engines.prompted.value import PromptedValueModel
from restmcts.engines.server_settings import OpenAiSettings
from restmcts.engines.settings import ModelSettings
from restmcts.errors import EngineError, InputError
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import SelfConsistency
from restmcts.search.running.driver import run_search
from restmcts.search.running.task import Engines, SearchTask
from restmcts.settings import checked
from store.events import SearchRecord, Step, Stopped
from tests.engines.fault_server import FaultServer
from tests.engines.openai_engines import open_engine, propose, settings

KEY = "sk-secret-0123456789"

pytestmark = pytest.mark.usefixtures("own_environment")


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


PROBLEM = Problem("p", "What is x?", "1")


def run(policy: OpenAiPolicy, value: PromptedValueModel, seed: int) -> SearchRecord:
    """One search in an event loop of its own."""
    method = Mcts(rounds=6, early_stop=False)
    engines = Engines(policy, value, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
    return asyncio.run(run_search(SearchTask(PROBLEM, "mcts", method, seed), engines))


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
    nowhere = OpenAiSettings(base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(EngineError, match="cannot be reached"):
        OpenAiPolicy("gone", nowhere)
    assert "openai gone" not in {thread.name for thread in threading.enumerate()}


# Keys


def test_the_key_comes_from_the_environment_and_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(key=KEY) as server:
        monkeypatch.setenv("MY_API_KEY", KEY)
        policy = open_engine(server, api_key_variable="MY_API_KEY")
        assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
        server.key = "another"
        with pytest.raises(EngineError) as caught:
            propose(policy)
        assert KEY not in str(caught.value) and "[key]" in str(caught.value)
        assert "MY_API_KEY is missing or refused" in str(caught.value)
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
        {"api_key_variable": "AWS_SECRET_ACCESS_KEY"},
        {"api_key_variable": "PATH"},
        {"base_url": f"http://user:{KEY}@127.0.0.1/v1"},
        {"base_url": f"http://127.0.0.1/v1?key={KEY}"},
        {"base_url": f"http://{KEY}@127.0.0.1/v1"},
        {"base_url": f"http://127.0.0.1/v1#{KEY}"},
        {"base_url": [f"http://user:{KEY}@127.0.0.1/v1"]},
        {"base_url": "127.0.0.1:8000"},
        {"base_url": "http://127.0.0.1:port/v1"},
        {"base_url": "http://[::1/v1"},
    ],
)
def test_settings_refuse_keys_without_repeating_them(given: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        checked(ModelSettings, {"openai": given}, "recipe")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        f"http://user:{KEY}@127.0.0.1/v1",
        f"http://{KEY}@127.0.0.1",
        f"http://127.0.0.1/v1?key={KEY}",
        f"{KEY}",
    ],
)
def test_addresses_of_the_environment_are_held_to_the_same(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(InputError, match="environment variable OPENAI_BASE_URL must") as caught:
        OpenAiPolicy("tiny", OpenAiSettings())
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-\u2019quoted", "two words", "sk-a\nb"])
def test_a_key_that_cannot_be_sent_is_refused(
    monkeypatch: pytest.MonkeyPatch, server: FaultServer, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="OPENAI_API_KEY holds no key") as caught:
        open_engine(server)
    assert key not in str(caught.value)


def test_a_key_that_the_server_repeats_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer(key=KEY, write=lambda *_: f"The key is {KEY}.\n") as server:
        policy = open_engine(server)
        assert propose(policy)[0].steps[0].text == "The key is [key].\n"
        policy.close()


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
        waiting = asyncio.ensure_future(policy.propose(SamplingRequest(prompt, **wish)))
        assert await asyncio.to_thread(server.arrived.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(server.hung_up.wait, 10)
        return await asyncio.wait_for(policy.propose(SamplingRequest(prompt, **wish)), 10)

    assert len(asyncio.run(cancel())) == 1
    policy.close()


def test_closing_ends_those_who_wait(server: FaultServer) -> None:
    policy = open_engine(server, timeout=60.0)
    server.fail("silent")

    async def close() -> None:
        waiting = asyncio.ensure_future(
            policy.propose(
                SamplingRequest(policy.prompt("x"), seeds=[0], max_tokens=9, until="step", temperature=0.7)
            )
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
        asyncio.run(
            policy.propose(SamplingRequest((65,), seeds=[0], max_tokens=1, until="end", temperature=0.0))
        )
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
    engines = Engines(policy, None, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
    task = SearchTask(PROBLEM, "self-consistency", method, seed=1)
    record = asyncio.run(run_search(task, engines))
    assert record.result.reason == "samples"
    assert record.result.cost.policy == 5 * 17
    assert record.result.answer in {"0", "1", "2"}
    policy.close()
