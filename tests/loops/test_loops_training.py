"""A training of a run that was interrupted goes on in its next start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from restmcts.engines import adapters, loading
from restmcts.errors import InputError
from restmcts.grading.registry import GRADERS
from restmcts.loops.results import Trained
from restmcts.loops.run import Run
from restmcts.loops.work.training import tune_policy
from restmcts.problems.splits import Splits
from restmcts.progress import Figures
from restmcts.recipe import Recipe
from store.check import check
from store.errors import StoreError
from store.records import WorkerFigures
from store.runs.writer import RunWriter
from tests.training.training_models import sums, write_policy

UPDATES = 6


class Stopped(Exception):  # noqa: N818 - what a test raises is no error
    """The run was interrupted."""


class Progress:
    """Progress that interrupts the run at an update."""

    def __init__(self, stop: int | None) -> None:
        self.stop = stop

    def start(self, phase: str, kind: str, total: int | None) -> None: ...

    def update(self, done: int, figures: Figures) -> None:
        if done == self.stop:
            raise Stopped

    def workers(self, found: Sequence[WorkerFigures]) -> None: ...

    def finish(self, phase: str, summary: object) -> None: ...

    def note(self, text: str) -> None: ...


@contextmanager
def opened(root: Path, policy: Path, stop: int | None, **more: Any) -> Iterator[Run]:
    training = {"updates": UPDATES, "batch_size": 4, "learning_rate": 1e-3, "save_updates": 2, **more}
    recipe = Recipe.model_validate(
        {
            "recipe": "r",
            "problems": {"data_set": "tiny"},
            "models": {"policy": str(policy), "device": "cpu", "threads": 1},
            "policy_training": training,
        }
    )
    with (
        RunWriter.create_or_open(root, "r", config='recipe = "r"\n', environment={}) as writer,
        GRADERS["math"].open() as grader,
    ):
        yield Run(recipe, writer, Splits([], [], [], []), grader, Progress(stop), {"loops": {"x": "y 1"}})


def train(run: Run, parent: object, iteration: int = 1) -> Trained:
    return run.phase(
        f"{iteration}.train-policy",
        "train",
        iteration,
        Trained,
        lambda phase: tune_policy(run, phase, iteration, sums(20), str(parent)),
    )


def test_a_phase_goes_on_inside_its_training(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy")
    with opened(tmp_path / "whole", policy, None) as run:
        whole = train(run, policy)
    root, checkpoints = tmp_path / "store", tmp_path / "store" / "runs" / "r" / "checkpoints" / "1"
    with opened(root, policy, 5) as run, pytest.raises(Stopped):
        train(run, policy)
    assert [path.name for path in checkpoints.iterdir()] == ["policy.training"]
    state = orjson.loads((checkpoints / "policy.training" / "trainer_state.json").read_bytes())
    assert state["global_step"] == 4
    assert check(root) == []
    with opened(root, policy, None) as run:
        again = train(run, policy)
    assert again == whole
    assert [path.name for path in checkpoints.iterdir()] == ["policy"]
    weights = "runs/r/checkpoints/1/policy/model.safetensors"
    assert (root / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    rows = map(orjson.loads, (root / "runs" / "r" / "metrics.jsonl").read_bytes().splitlines())
    assert [row["step"] for row in rows if row["name"] == "loss"] == list(range(1, UPDATES + 1))
    assert check(root) == []


def test_adapters_of_a_run_have_the_base_that_its_recipe_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = write_policy(tmp_path / "models" / "policy")
    lora: dict[str, Any] = {"lora": {"rank": 2}}
    with opened(tmp_path / "store", policy, None, **lora) as run:
        first = train(run, policy)
        second = train(run, first.checkpoint, 2)
        monkeypatch.setattr(adapters, "_BASES", {})
        folder = run.folder(second.checkpoint)
        assert adapters.base_folder(folder) == policy
        assert adapters.is_adapter(folder)
        loading.load_policy(folder)
    assert check(tmp_path / "store") == []
    monkeypatch.setattr(adapters, "_BASES", {})
    other = write_policy(tmp_path / "models" / "other", seed=1)
    with (
        opened(tmp_path / "store", other, None, **lora) as run,
        pytest.raises(InputError, match="not followed because it lies elsewhere"),
    ):
        run.folder(second.checkpoint)


def test_adapters_of_a_run_may_have_a_checkpoint_as_their_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base is compared with what was written before it is used."""
    policy = write_policy(tmp_path / "models" / "policy")
    with opened(tmp_path / "store", policy, None) as run:
        first = train(run, policy)
    with opened(tmp_path / "store", policy, None, lora={"rank": 2}) as run:
        second = train(run, first.checkpoint, 2)
        base = adapters.base_folder(run.folder(second.checkpoint))
        assert base == (tmp_path / "store" / "runs" / "r" / first.checkpoint).resolve()
    weights = bytearray((base / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (base / "model.safetensors").write_bytes(weights)
    with (
        opened(tmp_path / "store", policy, None, lora={"rank": 2}) as run,
        pytest.raises(StoreError, match=r"checkpoints/1/policy/model.safetensors"),
    ):
        run.folder(second.checkpoint)
