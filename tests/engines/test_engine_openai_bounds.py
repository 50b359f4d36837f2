"""The openai engine against servers whose replies have no end, no bounds, or numbers that are none."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from restmcts.engines.base import MOST_TOKENS, Sample, Sampling
from restmcts.engines.openai.client import LONGEST_REPLY
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.openai.replies import OddReplyError, read_models, read_reply
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.engines.prompted.value import PromptedValueModel
from restmcts.errors import EngineError
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import SelfConsistency
from restmcts.search.running.driver import run_search
from restmcts.search.running.task import Engines, SearchTask
from store.encoding.searches import decode_search, encode_search
from store.events import Cost, Expanded, SearchRecord, Stopped
from tests.engines.fault_server import PASSWORD, Fault, FaultServer
from tests.engines.faults import ODD, TOO_LONG, WITHOUT_END, choice, logprob, usage
from tests.engines.openai_engines import open_engine, propose
from tests.store.build import record as stored_record

pytestmark = pytest.mark.usefixtures("own_environment")

# Replies without an end


@pytest.mark.parametrize("fault", [*WITHOUT_END, *TOO_LONG])
def test_a_reply_without_an_end_is_tried_again(server: FaultServer, fault: str) -> None:
    policy = open_engine(server, timeout=1.0)
    asked = len(server.posts)
    server.fail(fault)
    assert len(propose(policy)) == 2
    assert len(server.posts) - asked == 2
    policy.close()


@pytest.mark.parametrize("fault", WITHOUT_END)
def test_a_reply_that_does_not_end_in_time_is_an_error(server: FaultServer, fault: str) -> None:
    policy = open_engine(server, retries=1, timeout=0.3)
    server.fail(fault, fault)
    begun = time.monotonic()
    with pytest.raises(EngineError, match=r"^tiny at .*: no reply within 0\.3 s \(after 1 retries\)$"):
        propose(policy)
    # Twice the time, and one pause of half a second between the attempts.
    assert time.monotonic() - begun < 5
    policy.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("bomb", "the reply is longer than 1.1 MiB (after 0 retries)"),
        ("endless", "the reply is longer than 1.1 MiB (after 0 retries)"),
        ("gzip", "the reply is compressed (gzip), which was not asked for (after 0 retries)"),
    ],
)
def test_a_reply_that_is_too_long_is_not_read(server: FaultServer, fault: str, words: str) -> None:
    policy = open_engine(server, retries=0)
    server.fail(fault)
    with pytest.raises(EngineError) as caught:
        propose(policy)
    assert words in str(caught.value)
    # What was read, and what lay in the buffers of both ends when the client hung up.
    assert server.sent < 2**20 + 2**24
    policy.close()


def test_the_limit_grows_with_the_tokens_that_are_asked_for(own_environment: None) -> None:
    with FaultServer(length=10**6) as server:
        policy = open_engine(server, retries=0)
        server.fail(lambda reply: json.dumps(reply).encode() + b" " * 2**21)
        assert len(propose(policy, until="end", max_tokens=1000)) == 2
        server.fail(lambda reply: json.dumps(reply).encode() + b" " * LONGEST_REPLY)
        with pytest.raises(EngineError, match=r"longer than 32\.0 MiB"):
            propose(policy, until="end", max_tokens=100_000)
        policy.close()


def test_replies_are_asked_for_uncompressed(server: FaultServer) -> None:
    open_engine(server).close()
    assert {seen.headers["accept-encoding"] for seen in server.seen} == {"identity"}


def test_a_list_of_models_may_be_anything() -> None:
    long = {"data": [{"id": "a", "max_model_len": 9}, {"id": "b"}, {"id": 3, "max_model_len": 9}, None, 7]}
    assert [entry.id for entry in read_models(json.dumps(long).encode())] == ["a"]
    for odd in (b"", b"[", b"[]", b"{}", b'{"data": {}}', b'{"data": [{"id": "a", "max_model_len": -1}]}'):
        assert read_models(odd) == []


# Numbers that are none


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[FaultServer, OpenAiPolicy, PromptedValueModel]]:
    """A server and its engines, which do not try again."""
    with pytest.MonkeyPatch.context() as environment, FaultServer() as server:
        environment.delenv("OPENAI_API_KEY", raising=False)
        policy, value = open_engine(server, retries=0), PromptedValueModel(open_engine(server, retries=0))
        yield server, policy, value
        policy.close()
        value.close()


@pytest.mark.parametrize("fault", ODD, ids=range(len(ODD)))
def test_an_odd_reply_fails_one_search(
    opened: tuple[FaultServer, OpenAiPolicy, PromptedValueModel], fault: Fault
) -> None:
    server, policy, value = opened
    server.fail("fine", fault)
    broken, whole = run(policy, value, 1), run(policy, value, 2)
    assert broken.result.reason == "failed"
    assert whole.result.reason != "failed"
    for record in (broken, whole):
        assert decode_search(encode_search(record)) == record
    (message,) = (event.message for event in broken.events if isinstance(event, Stopped))
    assert message is not None and "\n" not in message and len(message) < 500


def test_a_log_probability_that_is_no_number_is_called_so(server: FaultServer) -> None:
    policy = open_engine(server, retries=0)
    server.fail(logprob(math.nan))
    with pytest.raises(EngineError, match="the policy gave a log-probability that is not a number"):
        propose(policy)
    policy.close()


@pytest.mark.parametrize(
    "fault",
    [
        usage(completion_tokens=None),
        usage(prompt_tokens=None),
        lambda reply: reply | {"usage": {}},
        lambda reply: reply | {"usage": None},
        choice(stop_reason={"a": 1}, matched_stop=[1.5]),
        choice(finish_reason=None),
        choice(finish_reason="eos"),
    ],
)
def test_what_a_server_need_not_say_may_be_missing(server: FaultServer, fault: Fault) -> None:
    policy = open_engine(server, retries=0)
    server.fail(fault)
    samples = propose(policy)
    assert all(sample.steps and sample.generated >= 1 for sample in samples)
    policy.close()


def test_a_search_ends_though_the_server_counts_no_tokens(own_environment: None) -> None:
    """Nothing but its budget ends it."""
    with FaultServer(choose=lambda: usage(completion_tokens=0)) as server:
        policy = open_engine(server)
        engines = Engines(policy, None, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
        task = SearchTask(PROBLEM, "self-consistency", SelfConsistency(), 1, budget=60)
        record = asyncio.run(asyncio.wait_for(run_search(task, engines), 30))
        assert record.result.reason == "budget"
        policy.close()


# Passwords


def test_redirects_are_not_followed_and_show_no_password(server: FaultServer) -> None:
    policy = open_engine(server)
    asked = len(server.seen)
    server.fail("redirect")
    with pytest.raises(EngineError) as caught:
        propose(policy)
    assert PASSWORD not in str(caught.value) and "user" not in str(caught.value)
    assert "leads to http://127.0.0.1" in str(caught.value) and "models.openai.base_url" in str(caught.value)
    assert len(server.seen) == asked + 1
    policy.close()


# Any reply


VALID: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "choices": [
        {
            "index": number,
            "text": "Add one.",
            "message": {"role": "assistant", "content": "Add one.", "reasoning_content": None},
            "finish_reason": "stop",
            "stop_reason": "\n",
            "logprobs": {"token_logprobs": [-0.5, None, -1], "content": [{"token": "a", "logprob": -0.5}]},
        }
        for number in range(2)
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 3}},
}

SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([-1, 0, 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**60])
    | st.floats()
    | st.sampled_from(["", "\n", "NaN", "length", "content_filter", "\x1b[2J", "\ud800", "a" * 20_000])
    | st.text(max_size=5)
)
ODD_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
) | st.sampled_from([[{}] * 1000, [None] * 1000, [[[[]]]]])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a reply with each of its keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in pairs:
        yield value, key
        yield from places(member)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid reply in which some places are missing, or hold something else."""
    reply = {"reply": copy.deepcopy(VALID)}
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(list(places(reply))))
        if draw(st.booleans()) and container is not reply:
            del container[key]
        else:
            container[key] = copy.deepcopy(draw(ODD_VALUES))
    return json.dumps(reply["reply"], ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mutated())
def test_any_reply_is_samples_that_can_be_stored_or_an_error(
    shared: tuple[FaultServer, OpenAiPolicy], data: bytes
) -> None:
    server, policy = shared
    server.fail(lambda _: data)
    try:
        samples = propose(policy)
    except EngineError as error:
        assert "\n" not in str(error) and str(error).isprintable()
    else:
        assert_storable(samples)
    server.mend()


@pytest.fixture(params=["completions", "chat"])
def shared(request: pytest.FixtureRequest, server: FaultServer) -> Iterator[tuple[FaultServer, OpenAiPolicy]]:
    policy = open_engine(server, retries=0, api=request.param)
    yield server, policy
    policy.close()


def assert_storable(samples: list[Sample]) -> None:
    for sample in samples:
        assert 0 <= sample.generated <= MOST_TOKENS
        cost = Cost(policy=sample.generated, prompt=sample.prompt or 0, calls=1)
        event = Expanded(0, sample.steps, (1,) * len(sample.steps), cost)
        plain = stored_record()
        search = SearchRecord(plain.header, (event,), plain.result)
        assert decode_search(encode_search(search)) == search


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_refused(data: bytes) -> None:
    with pytest.raises(OddReplyError):
        read_reply(data, 2, 30)


PROBLEM = Problem("p", "What is x?", "1")


def run(policy: OpenAiPolicy, value: PromptedValueModel, seed: int) -> SearchRecord:
    """One search in an event loop of its own."""
    method = Mcts(rounds=3, early_stop=False)
    engines = Engines(policy, value, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
    return asyncio.run(run_search(SearchTask(PROBLEM, "mcts", method, seed), engines))
