"""The pooling engine against servers on loopback that compute with the plain model, and fail as told to."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.base import Remarking
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.pooling.value import PoolingValueModel
from restmcts.engines.server_settings import PoolingSettings
from restmcts.engines.settings import ModelSettings
from restmcts.engines.transformers.value import TransformersValueModel
from restmcts.errors import EngineError, InputError
from store.events import Step
from tests.cli.commands import restmcts
from tests.engines.engine_models import CONTEXT, VOCABULARY, llama, value_llama, word_tokenizer
from tests.engines.fault_server import Fault, FaultServer
from tests.engines.test_engine_value import make_prompts, padded_logits
from tests.engines.vllm_support import save

pytestmark = pytest.mark.usefixtures("own_environment")

Labels = Callable[[list[tuple[int, ...]], bool], Sequence[float | None]]


def logits(prompts: list[tuple[int, ...]], activation: bool) -> Sequence[float | None]:
    """The labels of the plain model, which is one for regression, so that there is no activation."""
    return padded_logits(plain_model(), prompts, "right")


@cache
def plain_model() -> Any:
    """Made once, as models are made from one source of randomness, and servers are threads."""
    return value_llama()


@dataclass
class PoolingServer(FaultServer):
    """Has vLLM's pooling endpoint and its list of models, and nothing else."""

    labels: Labels = field(default=logits)
    length: int | None = CONTEXT

    def _reply(self, seen: Any, fault: Fault | None) -> tuple[int, Any]:
        if seen.path not in ("/pooling", "/v1/models"):
            return 404, {"detail": "Not Found"}
        return super()._reply(seen, fault)

    def _complete(self, api: str, body: dict[str, Any]) -> dict[str, Any]:
        assert (body["task"], body["encoding_format"]) == ("classify", "float")
        prompts = [tuple(prompt) for prompt in body["input"]]
        labels = self.labels(prompts, body["use_activation"])
        return {"data": [{"index": place, "data": [label]} for place, label in enumerate(labels)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("value"))


def saved(place: Path, **changes: Any) -> Path:
    model = value_llama()
    model.config.problem_type = changes.pop("problem_type", "regression")
    return save(model, place)


@pytest.fixture
def server(own_environment: None) -> Iterator[FaultServer]:
    plain_model()
    with PoolingServer() as running:
        yield running


def open_engine(folder: Path, *urls: str, **changes: Any) -> PoolingValueModel:
    values = {"base_urls": list(urls), "retries": 1, "timeout": 5.0}
    return PoolingValueModel(folder, PoolingSettings.model_validate(values | changes))


def score(value: PoolingValueModel, prompts: Sequence[tuple[int, ...]]) -> list[float]:
    return asyncio.run(value.score(prompts))


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_values_and_prompts_are_those_of_the_transformers_engine(
    folder: Path, server: PoolingServer, path: str
) -> None:
    models = ModelSettings(
        value=str(folder),
        value_engine="pooling",
        pooling=PoolingSettings(base_url=server.url.removesuffix("/v1") + path),
    )
    assert models.value_name == str(folder)
    value = open_value(folder, models, name="judge")
    assert isinstance(value, PoolingValueModel) and isinstance(value, Remarking)
    plain = TransformersValueModel(folder, name="judge")
    assert (value.name, value.context) == ("judge", plain.context)
    assert value.prompt("7 + 9") == plain.prompt("7 + 9")
    for step in (Step("7 + 9 = 16\n"), Step("= 16\n", (7, 5, 24, 4)), Step("= 16", (VOCABULARY,))):
        assert value.tokens(step) == plain.tokens(step)
    prompts = make_prompts(70)
    assert score(value, prompts) == pytest.approx(asyncio.run(plain.score(prompts)), abs=2e-5)
    plain.close()
    value.close()


def test_what_a_request_says(folder: Path, server: PoolingServer) -> None:
    value = open_engine(folder, server.url, model="judge-7b")
    asked = len(server.posts)
    assert score(value, []) == []
    score(value, [(1, 9), (1, 9, 10)])
    (seen,) = server.posts[asked:]
    assert (seen.path, seen.body) == (
        "/pooling",
        {
            "input": [[1, 9], [1, 9, 10]],
            "task": "classify",
            "use_activation": False,
            "encoding_format": "float",
            "model": "judge-7b",
        },
    )
    assert value.stats() == {"values": 2.0, "requests": float(len(server.seen))}
    value.close()


def test_many_prompts_are_several_requests(folder: Path, server: PoolingServer) -> None:
    value = open_engine(folder, server.url)
    asked = len(server.posts)
    prompts: list[tuple[int, ...]] = [(1, 6 + number % 50, 6 + number // 50) for number in range(130)]
    assert score(value, prompts) == pytest.approx(
        [v for v in logits(prompts, False) if v is not None], abs=2e-5
    )
    assert sorted(len(seen.body["input"]) for seen in server.posts[asked:]) == [2, 64, 64]
    value.close()


def test_prompts_that_do_not_fit_are_refused_here(folder: Path, server: PoolingServer) -> None:
    value = open_engine(folder, server.url, context=20)
    asked = len(server.posts)
    for wrong in ((), (5,) * 21):
        with pytest.raises(EngineError, match=f"a prompt has {len(wrong)} tokens; 1 to 20 are possible"):
            score(value, [(1, 9), wrong])
    with pytest.raises(EngineError, match="the model's vocabulary ends at"):
        score(value, [(1, VOCABULARY)])
    assert len(server.posts) == asked
    value.close()


def test_values_are_clamped_and_no_number_is_an_error_of_the_model(folder: Path) -> None:
    labels: list[float | None] = [0.5, 0.5, 0.5]
    with (
        PoolingServer(labels=lambda prompts, _: labels[: len(prompts)]) as one,
        PoolingServer(labels=lambda prompts, _: labels[: len(prompts)]) as other,
    ):
        value = open_engine(folder, one.url, other.url)
        labels[:] = [-0.1, 1.25, 0.4999996]
        assert score(value, [(5,), (6,), (7,)]) == [0.0, 1.0, 0.5]
        labels[:] = [0.1, None, 0.2]
        with pytest.raises(EngineError, match="the value model gave something that is not a number"):
            score(value, [(5,), (6,), (7,)])
        assert value.remarks() == []
        value.close()


def index(place: int) -> Callable[[dict[str, Any]], Any]:
    """The right reply with another place of the first label."""

    def change(reply: dict[str, Any]) -> dict[str, Any]:
        reply["data"][0]["index"] = place
        return reply

    return change


@pytest.mark.parametrize(
    "fault",
    [
        503,
        "cut",
        "garbage",
        "odd",
        "endless",
        index(1),
        index(-1),
        lambda reply: {"data": reply["data"][:1]},
        lambda reply: {"data": [{"index": 0, "data": [0.5, 0.5]}, {"index": 1, "data": [0.5, 0.5]}]},
        lambda reply: {"data": [{"index": 0, "data": "0.5"}, {"index": 1, "data": [0.5]}]},
    ],
)
def test_a_fault_is_tried_again(folder: Path, server: PoolingServer, fault: Fault) -> None:
    value = open_engine(folder, server.url)
    server.fail(fault)
    assert len(score(value, [(1, 9), (1, 10)])) == 2
    server.fail(fault, fault)
    with pytest.raises(EngineError) as caught:
        score(value, [(1, 9), (1, 10)])
    assert "\n" not in str(caught.value) and str(caught.value).startswith(f"{folder.name} at http://127")
    value.close()


def test_a_server_that_dies_takes_no_value_along(folder: Path) -> None:
    plain_model()
    prompts = make_prompts(40)
    with PoolingServer() as one, PoolingServer() as other:
        value = open_engine(folder, one.url, other.url)
        one.choose = lambda: "die"

        async def score_each() -> list[float]:
            found = await asyncio.gather(*(value.score([prompt]) for prompt in prompts))
            return [number for numbers in found for number in numbers]

        assert asyncio.run(score_each()) == pytest.approx(
            padded_logits(plain_model(), prompts, "right"), abs=2e-5
        )
        (remark,) = value.remarks()
        assert remark.startswith(f"the server {folder.name} at {one.url}/ was left out once and is still out")
        assert len(other.posts) >= 40
        value.close()


def test_servers_of_other_models_are_refused(folder: Path) -> None:
    with (
        PoolingServer() as one,
        PoolingServer(labels=lambda prompts, _: [0.9 + place for place in range(len(prompts))]) as odd,
        pytest.raises(InputError, match=r"it gives the values 0\.900, 1\.900, 2\.900 where the other"),
    ):
        open_engine(folder, one.url, odd.url)


def test_an_activation_that_cannot_be_switched_off_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, problem_type=None)
    with (
        PoolingServer() as server,
        pytest.raises(EngineError, match="behind an activation although it was told not to"),
    ):
        open_engine(folder, server.url)
    with PoolingServer(labels=lambda prompts, on: [0.6 if on else 0.4] * len(prompts)) as server:
        value = open_engine(folder, server.url)
        assert score(value, [(5,)]) == [0.4]
        value.close()


def test_addresses_are_needed_and_may_come_from_the_environment(
    folder: Path, server: PoolingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    with pytest.raises(InputError, match=r"models\.pooling\.base_url is missing"):
        open_engine(folder)
    monkeypatch.setenv("POOLING_BASE_URL", server.url)
    open_engine(folder).close()
    assert server.posts


def test_a_folder_of_another_kind_and_the_engine_of_a_policy_are_refused(
    server: PoolingServer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="a value model is a sequence classifier"):
        open_engine(save(llama(), tmp_path), server.url)
    with pytest.raises(InputError, match=r"the engine pooling runs no policies: set models.engine"):
        open_policy(tmp_path, ModelSettings(engine="pooling"), name="p")
    assert not server.seen


def test_a_search_by_the_command_and_what_eval_wants_to_hear(
    folder: Path, server: PoolingServer, tmp_path: Path
) -> None:
    policy = save(llama(), tmp_path / "policy", word_tokenizer())
    problems = tmp_path / "problems.jsonl"
    problems.write_text("".join(json.dumps({"problem": f"{n} + 2", "answer": "7"}) + "\n" for n in range(3)))
    root = tmp_path / "store"
    done = restmcts(
        "search", "--problems", problems, "--policy", policy, "--value", folder, "--root", root,
        "--method", "mcts", "--budget", 80, "-o", "models.value_engine=pooling",
        "-o", f"models.pooling.base_url={server.url}", "-o", "sampling.step_tokens=12", "--json",
    )  # fmt: skip
    assert json.loads(done.output)["failed"] == 0
    asked = len(server.posts)
    assert asked > 3
    compared = ("eval", "search-mcts", "--root", root, "--method", "mcts", "--budget", 80)
    errors = restmcts(*compared, code=2).errors
    assert f"repeat: --base-url {server.url}" in errors
    assert len(server.posts) == asked
    restmcts(*compared, "--base-url", server.url)
    assert len(server.posts) > asked


def test_the_loop_trains_no_model_on_a_server(tmp_path: Path) -> None:
    errors = restmcts(
        "iterate", "tiny", "--root", tmp_path, "-o", "models.value_engine=pooling", code=2
    ).errors
    assert "models of the engine pooling cannot be trained" in errors


def test_the_registration_imports_no_library() -> None:
    code = (
        "import sys; from restmcts.engines.pooling.registration import POOLING; "
        "print([name for name in ('openai', 'torch', 'transformers', 'vllm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
