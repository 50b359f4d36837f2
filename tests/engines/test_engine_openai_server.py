"""The openai engine against a real server: vLLM with a tiny model."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.base import Sampling, SamplingRequest
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.prompted.critic import PromptedCritic
from restmcts.engines.server_settings import OpenAiSettings
from restmcts.errors import EngineError
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import SelfConsistency
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Engines, SearchTask
from store.events import SearchRecord
from tests.engines.engine_models import llama, merging_tokenizer
from tests.engines.vllm_servers import Server, vllm_server

pytestmark = [
    pytest.mark.xdist_group("vllm server"),  # one worker, one server
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None and not os.environ.get("CI"), reason="vllm is not installed"
    ),
]

CONTEXT = 2048

# The default of a reply without a chat template is an error; this one marks the turns by letters.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'][0] }}: {{ message['content'] }}"
    "{% if not loop.last %}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}</s>a: {% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    tokenizer = merging_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    llama(vocab_size=len(tokenizer), max_position_embeddings=CONTEXT).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def serve(model: Path) -> AbstractContextManager[Server]:
    # On a CPU vLLM 0.32 dies of a seeded request whose prompt it reads in pieces.
    options = (
        "--served-model-name",
        "tiny",
        "--no-enable-chunked-prefill",
        "--max-num-batched-tokens",
        "8192",
    )
    return vllm_server(model, *options)


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[Server]:
    with serve(model) as running:
        yield running


@pytest.fixture(params=["completions", "chat"])
def policy(server: Server, request: pytest.FixtureRequest) -> Iterator[OpenAiPolicy]:
    settings = OpenAiSettings(base_url=server.url, api=request.param, retries=2, timeout=60)
    opened = OpenAiPolicy("tiny", settings)
    yield opened
    opened.close()


def propose(policy: OpenAiPolicy, text: str = "", **changes: Any) -> Any:
    wish: dict[str, Any] = {"seeds": list(range(8)), "max_tokens": 24, "until": "step", "temperature": 1.0}
    prompt = (*policy.prompt("ab"), *text.encode())
    return asyncio.run(policy.propose(SamplingRequest(prompt, **wish | changes)))


def test_everything_is_understood(policy: OpenAiPolicy) -> None:
    wanted = {"n", "seed", "logprobs"}
    if policy.dialect.api == "chat":
        wanted.add("continue_final_message")
    assert policy.dialect.features == wanted
    assert 2 * CONTEXT - 400 < policy.context < 2 * CONTEXT


def test_steps_are_steps_and_counts_are_the_servers(policy: OpenAiPolicy) -> None:
    before = policy.stats()
    samples = propose(policy, seeds=list(range(32)))
    after = policy.stats()
    assert after["generated_tokens"] - before["generated_tokens"] == sum(s.generated for s in samples)
    assert all(1 <= sample.generated <= 24 for sample in samples)
    assert len({sample.steps for sample in samples}) > 16
    for sample in samples:
        if sample.truncated:
            assert sample.generated == 24
        elif sample.steps:
            (step,) = sample.steps
            assert step.text.strip() and step.tokens == ()
            assert step.text.endswith("\n") or step.ended
    # A random model ends some steps by a newline and cuts others short.
    assert any(sample.steps and sample.steps[0].text.endswith("\n") for sample in samples)
    assert any(sample.truncated for sample in samples)


def test_whole_traces(policy: OpenAiPolicy) -> None:
    for sample in propose(policy, until="end", max_tokens=60):
        assert all("\n" not in step.text.strip() for step in sample.steps)
        assert sample.truncated == (sample.generated == 60 and not sample.steps[-1].ended)


def test_greedy_text_is_that_of_the_model_itself(server: Server) -> None:
    """The bytes of problem and steps reach the model as they are: transformers continues them equally."""
    import torch

    model = llama(vocab_size=len(merging_tokenizer()), max_position_embeddings=CONTEXT)
    tokenizer = merging_tokenizer()
    settings = OpenAiSettings(base_url=server.url, template="{problem}\n", retries=0)
    policy = OpenAiPolicy("tiny", settings)
    (sample,) = propose(policy, "aba.\nb", seeds=[0], max_tokens=12, until="end", temperature=0.0)
    policy.close()
    ids = torch.tensor([[1, *tokenizer("ab\naba.\nb", add_special_tokens=False)["input_ids"]]])
    others = [ids, ids[:, 1:]]  # vLLM may or may not put the start token in front
    texts = []
    for start in others:
        out = model.generate(start, max_new_tokens=12, do_sample=False, pad_token_id=0)[0, start.shape[1] :]
        texts.append(tokenizer.decode(out, skip_special_tokens=True))
    assert "".join(step.text for step in sample.steps) in texts
    assert sample.prompt in (ids.shape[1], ids.shape[1] - 1)


def test_a_prompt_that_is_too_long_is_one_clear_error(policy: OpenAiPolicy) -> None:
    with pytest.raises(EngineError, match=r"HTTP 400: .*models\.openai\.context"):
        propose(policy, "+" * (CONTEXT + 10), seeds=[0])


def tasks(count: int) -> list[SearchTask]:
    return [
        SearchTask(
            Problem(f"p{number}", "ab"),
            "self-consistency",
            SelfConsistency(),
            seed=number,
            budget=400,
            number=number,
        )
        for number in range(count)
    ]


def test_searches_with_a_prompted_critic(server: Server) -> None:
    policy = OpenAiPolicy("tiny", OpenAiSettings(base_url=server.url, retries=1))
    engines = Engines(policy, None, PromptedCritic(policy), Sampling(step_tokens=16, trace_tokens=40))

    async def collect() -> list[SearchRecord]:
        return [record async for record in run_searches(tasks(6), engines, 6)]

    records = asyncio.run(collect())
    policy.close()
    assert {record.result.reason for record in records} <= {"budget", "samples"}
    assert all(0 < record.result.cost.policy <= record.result.cost.generated <= 400 for record in records)


def test_no_search_is_lost_with_a_server_that_is_killed(server: Server, model: Path) -> None:
    """One of two servers is killed with all its processes while searches run on both."""
    with serve(model) as other:
        policy = OpenAiPolicy("tiny", OpenAiSettings(base_urls=[server.url, other.url], timeout=60))
        engines = Engines(policy, None, PromptedCritic(policy), Sampling(step_tokens=16, trace_tokens=40))

        async def collect() -> list[SearchRecord]:
            records = []
            async for record in run_searches(tasks(24), engines, 8):
                records.append(record)
                answered = policy.stats()["requests.2"] > opened["requests.2"]
                if answered and other.process.poll() is None:
                    other.kill()
            return records

        opened = policy.stats()
        records = asyncio.run(collect())
        used = policy.stats()
        remarks = policy.remarks()
        policy.close()
    assert {record.header.problem for record in records} == {f"p{number}" for number in range(24)}
    assert {record.result.reason for record in records} <= {"budget", "samples"}
    assert used["requests.2"] > opened["requests.2"] and used["servers_out"] == 1
    (remark,) = remarks
    assert remark.startswith(f"the server tiny at {other.url}/ was left out once and is still out")
