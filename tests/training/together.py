"""Small trainings in the processes of a launcher: `torchrun -m tests.training.together FOLDER`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import torch

from restmcts.training.group import Group
from restmcts.training.policy import train_policy
from restmcts.training.report import TrainingReport
from restmcts.training.settings import (
    ONE_PROCESS,
    LoraSettings,
    PolicyTraining,
    ProcessSettings,
    Strategy,
    ValueTraining,
)
from restmcts.training.values.training import train_value
from tests.training.training_models import judged_sums, sums

COMMON: dict[str, Any] = {"learning_rate": 1e-3, "epochs": 2.0, "batch_size": 3, "seed": 5}
"""Two epochs of 20 samples: the last of the updates has fewer of them."""

SETTINGS: dict[str, PolicyTraining | ValueTraining] = {
    "policy": PolicyTraining(**COMMON, gradient_accumulation=3),
    "adapter": PolicyTraining(
        **COMMON, gradient_accumulation=2, gradient_checkpointing=True, lora=LoraSettings(rank=2)
    ),
    "value": ValueTraining(**COMMON, gradient_accumulation=3, extra_layers=1, language_weight=0.1),
    "ranking": ValueTraining(**COMMON, gradient_accumulation=2, ranking_weight=0.5),
    "factorized": ValueTraining(**COMMON, gradient_accumulation=1, objective="factorized"),
}
STRATEGIES: tuple[Strategy, ...] = ("ddp", "fsdp2")


def train(name: str, folder: Path, target: Path, processes: ProcessSettings = ONE_PROCESS) -> TrainingReport:
    """One of the trainings, from the policy in ``folder``."""
    settings, source = SETTINGS[name], folder / "policy"
    if isinstance(settings, PolicyTraining):
        return train_policy(source, sums(20), settings, target, device="cpu", processes=processes)
    samples = judged_sums(20)
    return train_value(
        source, samples, settings, target, held_out=judged_sums(5, seed=1), device="cpu", processes=processes
    )


def main(folder: Path) -> None:
    """All trainings by both strategies; the leader writes what each has reported."""
    torch.set_num_threads(1)
    for name in SETTINGS:
        for strategy in STRATEGIES:
            processes = ProcessSettings(strategy=strategy)
            report = train(name, folder, folder / f"{name}-{strategy}", processes)
            if Group.here(processes).leads:
                (folder / f"{name}-{strategy}.json").write_bytes(orjson.dumps(asdict(report)))
    Group.here(ONE_PROCESS).leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
