"""The pooling engine against a real server: `vllm serve --runner pooling` with a tiny value model."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator

import pytest

from restmcts.engines.pooling.value import PoolingValueModel
from restmcts.engines.server_settings import PoolingSettings
from tests.engines.engine_models import CONTEXT, value_llama
from tests.engines.test_engine_value import make_prompts, padded_logits
from tests.engines.vllm_servers import Server, vllm_server
from tests.engines.vllm_support import save

pytestmark = [
    pytest.mark.xdist_group("pooling server"),  # one worker, one server
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None and not os.environ.get("CI"), reason="vllm is not installed"
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Not said to be one for regression, so that vLLM puts labels through a sigmoid unless it is told not to.
    model = value_llama()
    assert model.config.problem_type is None
    with vllm_server(save(model, tmp_path_factory.mktemp("pooling")), "--runner", "pooling") as running:
        yield running


def test_values_are_those_of_the_plain_model(server: Server) -> None:
    value = PoolingValueModel(server.folder, PoolingSettings(base_url=server.url, retries=1, timeout=60))
    assert value.context == CONTEXT
    prompts = [*make_prompts(30), (5,) * CONTEXT]
    found = asyncio.run(value.score(prompts))
    assert found == pytest.approx(padded_logits(value_llama(), prompts, "right"), abs=1e-4)
    assert len(set(found)) > 12
    value.close()


def test_prompts_that_extend_each_other_have_the_same_values_again(server: Server) -> None:
    """vLLM finds them in its cache of prompts, which must not change what comes after them."""
    value = PoolingValueModel(server.folder, PoolingSettings(base_url=server.url))
    root = (1, *range(6, 51), *range(6, 51))
    prompts = [root, *((*root, child) for child in range(6, 10))]
    first = [asyncio.run(value.score([prompt])) for prompt in prompts]
    again = [asyncio.run(value.score([prompt])) for prompt in prompts]
    plain = padded_logits(value_llama(), prompts, "right")
    for found in (first, again):
        assert [number for (number,) in found] == pytest.approx(plain, abs=1e-4)
    value.close()
