"""The openai engine against a real server: vLLM with a tiny model."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.base import Sampling, SamplingRequest
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.prompted.critic import PromptedCritic
from restmcts.engines.settings import OpenAiSettings
from restmcts.errors import EngineError
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import SelfConsistency
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Engines, SearchTask
from store.events import SearchRecord
from tests.engines.engine_models import llama, merging_tokenizer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None and not os.environ.get("CI"), reason="vllm is not installed"
    ),
]

CONTEXT = 2048
DEADLINE = 300.0
"""Seconds until the server has to be ready: importing vLLM alone may take half a minute."""

# The default of a reply without a chat template is an error; this one marks the turns by letters.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'][0] }}: {{ message['content'] }}"
    "{% if not loop.last %}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}</s>a: {% endif %}"
)


@dataclass(frozen=True)
class Server:
    url: str
    folder: Path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + DEADLINE
    while not answers(url):
        assert process.poll() is None, f"the server ended:\n{log.read_text(errors='replace')[-3000:]}"
        assert time.monotonic() < end, f"the server is not ready:\n{log.read_text(errors='replace')[-3000:]}"
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            continue


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    tokenizer = merging_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    llama(vocab_size=len(tokenizer), max_position_embeddings=CONTEXT).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    port, log = free_port(), folder / "log"
    # On a CPU vLLM 0.32 dies of a seeded request whose prompt it reads in pieces.
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder / "model"),
        "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32",
        "--enforce-eager", "--max-num-seqs", "64",
        "--no-enable-chunked-prefill", "--max-num-batched-tokens", "8192",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
        yield Server(f"http://127.0.0.1:{port}/v1", folder / "model")
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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


def test_searches_with_a_prompted_critic(server: Server) -> None:
    policy = OpenAiPolicy("tiny", OpenAiSettings(base_url=server.url, retries=1))
    engines = Engines(policy, None, PromptedCritic(policy), Sampling(step_tokens=16, trace_tokens=40))
    tasks = [
        SearchTask(
            Problem(f"p{number}", "ab"),
            "self-consistency",
            SelfConsistency(),
            seed=number,
            budget=400,
            number=number,
        )
        for number in range(6)
    ]

    async def collect() -> list[SearchRecord]:
        return [record async for record in run_searches(tasks, engines, 6)]

    records = asyncio.run(collect())
    policy.close()
    assert {record.result.reason for record in records} <= {"budget", "samples"}
    assert all(0 < record.result.cost.policy <= record.result.cost.generated <= 400 for record in records)
