"""Samples whose text is not where it is looked for, and what can be sent along to change that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.openai.empty_samples import HOPELESS
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.settings import ModelSettings
from restmcts.errors import EngineError, InputError
from restmcts.settings import checked
from store.index.reader import StoreReader
from tests.engines.fault_server import Fault, FaultServer
from tests.engines.faults import silence, thinks
from tests.engines.openai_engines import open_engine, propose, settings
from tests.engines.test_engine_openai_commands import hosted, restmcts, write_problems

pytestmark = pytest.mark.usefixtures("own_environment")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reasoning_content", "Let me see. "),
        ("reasoning", "Let me see. "),
        ("thinking", "Let me see. "),
        ("refusal", "I cannot help with that."),
        ("tool_calls", [{"id": "1"}]),
    ],
)
def test_empty_samples_say_where_the_text_went(server: FaultServer, field: str, value: Any) -> None:
    policy = open_engine(server, api="chat")
    server.fail(thinks(field, value))
    samples = propose(policy)
    assert [sample.steps for sample in samples] == [(), ()]
    assert len(propose(policy)) == 2
    (remark,) = policy.remarks()
    assert remark.startswith(f"2 of 4 samples were empty, and their text was in {field} (2): ")
    assert "models.chat_template_arguments={enable_thinking=false}" in remark
    assert policy.remarks() == []
    assert (policy.stats()["samples"], policy.stats()["empty_samples"]) == (4, 2)
    policy.close()


def test_a_few_ends_of_texts_are_not_worth_a_word(server: FaultServer) -> None:
    policy = open_engine(server)
    propose(policy)
    server.fail(silence)
    propose(policy, seeds=[0])
    assert policy.remarks() == []
    assert policy.stats()["empty_samples"] == 1
    policy.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (thinks("reasoning"), r"their text was in reasoning \(20\): switch that off by"),
        (silence, r"20 of 20 samples were empty: look at how the model is asked"),
    ],
)
def test_nothing_but_empty_samples_is_an_error_after_a_while(fault: Fault, words: str) -> None:
    with FaultServer() as server:
        policy = open_engine(server, api="chat" if fault is not silence else "completions")
        server.choose = lambda: fault
        for _ in range(HOPELESS // 2 - 1):
            assert [sample.steps for sample in propose(policy)] == [(), ()]
        with pytest.raises(EngineError, match=words):
            propose(policy)
        server.choose = lambda: None
        assert all(sample.steps for sample in propose(policy))
        policy.close()


def test_a_run_of_empty_samples_ends_with_its_reason(tmp_path: Path, own_environment: None) -> None:
    with FaultServer(key="sk-secret-0123456789", choose=lambda: thinks("reasoning_content")) as server:
        done = restmcts(
            "search", "--problems", write_problems(tmp_path, 60), "--policy", "tiny", "--root", tmp_path,
            "--method", "self-consistency", "--budget", "2000", "--json",
            *hosted(server, "models.openai.api=chat", "concurrency=1"),
        )  # fmt: skip
    assert done.returncode == 1
    assert "their text was in reasoning_content" in done.stderr
    assert "20 searches one after the other failed" in done.stderr
    assert len(server.posts) < 60


def test_a_run_with_some_empty_samples_says_so_once(tmp_path: Path, own_environment: None) -> None:
    turns = iter([None] * 12)

    def after_a_while() -> Fault | None:
        return next(turns, thinks("reasoning_content"))

    with FaultServer(key="sk-secret-0123456789", choose=after_a_while) as server:
        done = restmcts(
            "search", "--problems", write_problems(tmp_path, 12), "--policy", "tiny", "--root", tmp_path,
            "--method", "greedy", *hosted(server, "models.openai.api=chat", "concurrency=1"),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("samples were empty") == 1
    with StoreReader(tmp_path) as reader:
        names = {metric.name for metric in reader.metrics("search-greedy")}
    assert "engine.policy.empty_samples" in names


# What is sent along


def test_arguments_of_the_template_are_sent_in_chats(server: FaultServer) -> None:
    models = ModelSettings(
        policy="tiny",
        engine="openai",
        openai=settings(server, extra_body={"top_k": 20, "nested": {"a": [1.5, True]}}),
        chat_template_arguments={"enable_thinking": False},
    )
    arguments = models.chat_template_arguments
    policy = OpenAiPolicy("tiny", models.openai, template_arguments=arguments)
    propose(policy)
    assert policy.dialect.api == "chat"
    for seen in server.posts:
        assert seen.body["chat_template_kwargs"] == {"enable_thinking": False}
        assert (seen.body["top_k"], seen.body["nested"]) == (20, {"a": [1.5, True]})
    policy.close()
    with pytest.raises(InputError, match=r"chat_template_arguments are for chats"):
        OpenAiPolicy("tiny", settings(server, api="completions"), template_arguments=arguments)


def test_without_them_requests_are_as_before(server: FaultServer) -> None:
    open_engine(server).close()
    assert server.posts[0].path.endswith("/completions")
    assert "chat_template_kwargs" not in json.dumps([seen.body for seen in server.posts])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"openai": {"extra_body": {"temperature": 2}}}, "temperature is a key that restmcts sets itself"),
        ({"openai": {"extra_body": {"stream": True}}}, "stream is a key that restmcts sets itself"),
        ({"openai": {"extra_body": {"a": float("nan")}}}, "finite"),
        ({"openai": {"extra_body": {"a": {"b": {1, 2}}}}}, "JSON does not have"),
        ({"openai": {"extra_body": {"a": 2**80}}}, "JSON does not have"),
        ({"openai": {"extra_body": [1]}}, "dictionary"),
        ({"chat_template_arguments": {"tokenize": False}}, "tokenize is set by restmcts itself"),
        (
            {"chat_template_arguments": {"a": 1}, "openai": {"extra_body": {"chat_template_kwargs": {}}}},
            "leave that key out of openai.extra_body",
        ),
    ],
)
def test_what_cannot_be_sent_along_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked(ModelSettings, given, "recipe")


def test_dates_are_no_json() -> None:
    from restmcts.recipe_text import nested_overrides

    given = nested_overrides(["chat_template_arguments.day=2026-11-30"])
    with pytest.raises(InputError, match="JSON does not have"):
        checked(ModelSettings, given, "recipe")
