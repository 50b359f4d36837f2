"""Programs that are told about a training."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError
from transformers import TrainerCallback, integrations

from restmcts.errors import InputError
from restmcts.training.policy import train_policy
from restmcts.training.settings import PolicyTraining
from tests.training.training_models import sums

SETTINGS = PolicyTraining(updates=3, report_to=["tensorboard"])


class Told(TrainerCallback):
    """In the place of a program that may not be installed."""

    logging_dir: str | None = None
    runs: ClassVar[list[tuple[str, str | None]]] = []
    losses: ClassVar[list[float]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.runs.append((args.run_name, self.logging_dir))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in logs:
            self.losses.append(logs["loss"])


def test_a_program_hears_the_losses_and_writes_beside_the_model(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrations, "TensorBoardCallback", Told)
    monkeypatch.setattr("restmcts.training.settings.find_spec", lambda name: name)
    target = tmp_path / "r" / "checkpoints" / "1" / "policy"
    report = train_policy(policy, sums(8), SETTINGS, target, device="cpu")
    assert Told.runs == [("r/checkpoints/1/policy", f"{target}.tensorboard")]
    assert Told.losses == [loss for _, loss in report.curve]


def test_a_program_that_is_not_installed_is_said(policy: Path, tmp_path: Path) -> None:
    missing = [name for name in ("wandb", "trackio") if importlib.util.find_spec(name) is None]
    if not missing:
        pytest.skip("all of these programs are installed")
    settings = PolicyTraining.model_validate({"report_to": missing})
    with pytest.raises(InputError, match=f"{missing[0]} is not installed: python -m pip install"):
        train_policy(policy, sums(8), settings, tmp_path / "new", device="cpu")
    with pytest.raises(ValidationError):
        PolicyTraining.model_validate({"report_to": ["postcard"]})
