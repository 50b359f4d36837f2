"""The openai engine with several servers, of which some fail, end or come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest

from restmcts.engines.base import Sampling
from restmcts.engines.openai import fleet as fleet_module
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.engines.prompted.value import PromptedValueModel
from restmcts.engines.server_settings import OpenAiSettings
from restmcts.engines.settings import ModelSettings
from restmcts.errors import EngineError, InputError
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Engines, SearchTask
from restmcts.settings import checked
from store.events import SearchRecord
from tests.engines.fault_server import Fault, FaultServer
from tests.engines.openai_engines import propose

KEY = "sk-secret-0123456789"
NOWHERE = "http://127.0.0.1:9/v1"

pytestmark = pytest.mark.usefixtures("own_environment")


def open_engine(*urls: str, **changes: Any) -> OpenAiPolicy:
    values = {"base_urls": list(urls), "retries": 1, "timeout": 5.0}
    return OpenAiPolicy("tiny", OpenAiSettings.model_validate(values | changes))


def search(policy: OpenAiPolicy, value: PromptedValueModel, numbers: Sequence[int]) -> list[SearchRecord]:
    """The records of searches that run at once, by their numbers."""
    engines = Engines(policy, value, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
    tasks = [
        SearchTask(
            Problem(f"p{number}", f"What is x{number}?", "1"),
            "mcts",
            Mcts(rounds=3, early_stop=False),
            number,
            number=number,
        )
        for number in numbers
    ]

    async def collect() -> list[SearchRecord]:
        return [record async for record in run_searches(tasks, engines, 8)]

    return sorted(asyncio.run(collect()), key=number_of)


def number_of(record: SearchRecord) -> int:
    return int(record.header.id.rpartition("/")[2])


def searches(*urls: str, **changes: Any) -> tuple[list[SearchRecord], list[str]]:
    """The records of 16 searches, and what the engines had to say."""
    policy = open_engine(*urls, **changes)
    value = PromptedValueModel(open_engine(*urls, **changes))
    found = search(policy, value, range(16))
    said = policy.remarks() + value.remarks()
    policy.close()
    value.close()
    return found, said


def at(number: int, fault: Fault) -> Callable[[], Fault | None]:
    """The fault for one request, by its number from 1."""
    counter = count(1)
    return lambda: fault if next(counter) == number else None


@pytest.fixture(scope="module")
def alone() -> list[SearchRecord]:
    """The records by one server that does not fail."""
    with FaultServer() as server:
        return searches(server.url)[0]


def same(found: Sequence[SearchRecord], expected: Sequence[SearchRecord]) -> bool:
    return [record.events for record in found] == [record.events for record in expected]


def test_searches_are_those_of_one_server_and_shared_out(alone: list[SearchRecord]) -> None:
    with FaultServer() as one, FaultServer() as other:
        found, said = searches(one.url, other.url)
        assert same(found, alone) and said == []
        assert "failed" not in {record.result.reason for record in found}
        whole = len(one.posts) + len(other.posts)
        assert min(len(one.posts), len(other.posts)) > 0.25 * whole


@pytest.mark.parametrize("number", [12, 60])
def test_a_server_that_dies_in_the_middle_loses_no_search(alone: list[SearchRecord], number: int) -> None:
    with FaultServer(choose=at(number, "die")) as one, FaultServer() as other:
        found, said = searches(one.url, other.url)
        assert same(found, alone)
        assert number <= len(one.posts) < number + 30 < len(other.posts)
    assert len(said) == 2
    assert all("was left out once and is still out" in line and "cannot be reached" in line for line in said)


@pytest.mark.parametrize(
    ("fault", "timeout", "retries"), [(500, 5.0, 1), ("garbage", 5.0, 0), ("silent", 2.0, 3)]
)
def test_a_server_that_fails_for_good_loses_no_search(
    alone: list[SearchRecord], fault: Fault, timeout: float, retries: int
) -> None:
    counter = count(1)
    with FaultServer(choose=lambda: fault if next(counter) > 30 else None) as one, FaultServer() as other:
        found, said = searches(one.url, other.url, timeout=timeout, retries=retries)
    assert same(found, alone)
    assert len(said) == 2 and all(f"{one.url}/ was left out" in line for line in said)


def test_a_server_that_comes_back_gets_requests_again(
    alone: list[SearchRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "FIRST_PAUSE", 0.01)
    with FaultServer() as other:
        with FaultServer(choose=at(20, "die")) as one:
            policy = open_engine(one.url, other.url)
            value = PromptedValueModel(open_engine(other.url))
            found = search(policy, value, range(12))
        with FaultServer(port=one.port) as again:
            while policy.stats()["servers_out"]:
                found[:2] = search(policy, value, range(2))
            probed = len(again.posts)
            # Which server a problem goes to hangs on the ports: of so many, some go to each.
            assert same(search(policy, value, range(16)), alone)
            assert same(found, alone[:12])
            assert len(again.posts) > probed + 10
            assert policy.remarks() == [f"the server tiny at {one.url}/ was left out once and is back"]
            policy.close()
            value.close()


def test_a_server_that_is_not_there_at_the_opening_is_left_out(alone: list[SearchRecord]) -> None:
    with FaultServer() as server:
        found, said = searches(NOWHERE, server.url)
    assert same(found, alone)
    assert all(f"{NOWHERE}/ was left out once and is still out" in line for line in said)


def test_where_no_server_is_there_all_are_named() -> None:
    with pytest.raises(EngineError) as caught:
        open_engine(NOWHERE, "http://127.0.0.1:7/v1")
    assert all(f"127.0.0.1:{port}/v1/: cannot be reached" in str(caught.value) for port in (9, 7))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"lacks": frozenset({"logprobs"})}, "completions with max_tokens n seed, not completions"),
        ({"length": 900}, "it reads 900 tokens, not 4096"),
        ({"apis": ("chat",)}, "it takes chat with"),
    ],
)
def test_servers_that_differ_are_refused(other: dict[str, Any], words: str) -> None:
    with FaultServer() as one, FaultServer(**other) as odd:
        with pytest.raises(InputError) as caught:
            open_engine(one.url, odd.url)
        assert words in str(caught.value) and odd.url in str(caught.value)


def test_a_text_that_is_too_long_is_refused_once() -> None:
    with FaultServer() as one, FaultServer() as other:
        policy = open_engine(one.url, other.url)
        before = len(one.posts) + len(other.posts)
        for server in (one, other):
            server.says = "context length exceeded"
            server.fail(400)
        with pytest.raises(EngineError, match="may be too long"):
            propose(policy)
        assert len(one.posts) + len(other.posts) == before + 1
        assert policy.remarks() == []
        policy.close()


def test_addresses_come_from_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, alone: list[SearchRecord]
) -> None:
    with FaultServer() as one, FaultServer() as other:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{one.url}  {other.url}")
        assert same(searches()[0], alone)
        assert one.posts and other.posts


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"base_url": NOWHERE, "base_urls": [NOWHERE]}, "name one server, or a list of servers"),
        ({"base_urls": [NOWHERE, f"{NOWHERE}/"]}, "names a server twice"),
        ({"base_urls": [NOWHERE, "127.0.0.1:8000"]}, "base_urls must look like"),
        ({"base_urls": [NOWHERE, f"http://user:{KEY}@127.0.0.1/v1"]}, "must hold no user name"),
        ({"base_urls": f"http://127.0.0.1/v1?key={KEY}"}, "must hold no user name"),
    ],
)
def test_wrong_addresses_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        checked(ModelSettings, {"openai": given}, "recipe")
    assert words in str(caught.value) and KEY not in str(caught.value)


def test_one_address_of_a_list_needs_no_brackets() -> None:
    assert OpenAiSettings.model_validate({"base_urls": NOWHERE}).given == [NOWHERE]
