"""Searches with local models that compute what is no number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from restmcts.engines.base import Policy, Sampling
from restmcts.engines.open import open_policy
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.engines.settings import ModelSettings
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import SelfConsistency
from restmcts.search.running.driver import run_search
from restmcts.search.running.task import Engines, SearchTask
from store.encoding.searches import encode_search
from store.events import Stopped
from tests.engines.engine_models import llama
from tests.engines.vllm_support import MODELS, needs_vllm, save

ENGINES = {"transformers": ModelSettings(engine="transformers"), "vllm": MODELS}


@pytest.fixture
def open_broken(tmp_path: Path) -> Iterator[Callable[[str], Policy]]:
    """Opens a model whose weights are numbers, but so large that what it computes is none."""
    opened: list[Policy] = []

    def broken(engine: str) -> Policy:
        model = llama()
        with torch.no_grad():
            model.get_output_embeddings().weight[5] = 3e38
            model.get_output_embeddings().weight[6] = -3e38
        opened.append(open_policy(save(model, tmp_path), ENGINES[engine], name="tiny"))
        return opened[0]

    yield broken
    for policy in opened:
        policy.close()


@pytest.mark.parametrize("engine", ["transformers", pytest.param("vllm", marks=needs_vllm)])
async def test_what_is_no_number_fails_the_search(open_broken: Callable[[str], Policy], engine: str) -> None:
    engines = Engines(open_broken(engine), None, RuleCritic(), Sampling(step_tokens=8, trace_tokens=20))
    task = SearchTask(Problem("p", "3 + 4"), "self-consistency", SelfConsistency(samples=3), 1, budget=60)
    record = await run_search(task, engines)
    last = record.events[-1]
    assert isinstance(last, Stopped) and last.reason == "failed"
    assert "tiny: the policy gave a log-probability that is not a number" in (last.message or "")
    encode_search(record)
