"""A training of a run that was interrupted goes on in its next start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from restmcts.grading.registry import GRADERS
from restmcts.loops.results import Trained
from restmcts.loops.run import Run
from restmcts.loops.training import tune_policy
from restmcts.problems.splits import Splits
from restmcts.progress import Figures
from restmcts.recipe import Recipe
from store.check import check
from store.writer import RunWriter
from tests.training.training_models import sums, write_policy

PHASE = "1.train-policy"
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

    def finish(self, phase: str, summary: object) -> None: ...

    def note(self, text: str) -> None: ...


@contextmanager
def opened(root: Path, policy: Path, stop: int | None) -> Iterator[Run]:
    training = {"updates": UPDATES, "batch_size": 4, "learning_rate": 1e-3, "save_updates": 2}
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


def train(run: Run, policy: Path) -> Trained:
    return run.phase(
        PHASE, "train", 1, Trained, lambda phase: tune_policy(run, phase, 1, sums(20), str(policy))
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
