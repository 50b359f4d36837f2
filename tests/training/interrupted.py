"""A training in a process of its own, which SIGKILL ends: `python -m tests.training.interrupted`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from restmcts.training.report import TrainingProgress, TrainingReport
from restmcts.training.settings import (
    LoraSettings,
    PolicyTraining,
    PreferenceTraining,
    ProcessSettings,
    ValueTraining,
)
from tests.training.training_models import judged_sums, preferred_sums, sums

Kind = Literal["policy", "adapter", "value", "preference", "kto"]
KINDS: tuple[Kind, ...] = ("policy", "adapter", "value", "preference", "kto")
UPDATES = 9


def train(kind: Kind, source: Path, target: Path, resume: Path | None, **options: Any) -> TrainingReport:
    """A small training of a kind, which saves its state at every update."""
    common: dict[str, Any] = {
        "learning_rate": 1e-3,
        "updates": UPDATES,
        "batch_size": 4,
        "seed": 5,
        "save_updates": 1,
    }
    common["gradient_accumulation"] = 2
    options |= {"device": "cpu", "resume": resume}
    if kind in ("policy", "adapter"):
        from restmcts.training.policy import train_policy

        # Dropout draws random numbers in every update.
        lora = LoraSettings(rank=2, dropout=0.2) if kind == "adapter" else None
        return train_policy(source, sums(20), PolicyTraining(**common, lora=lora), target, **options)
    if kind == "value":
        from restmcts.training.values.training import train_value

        settings = ValueTraining(**common, extra_layers=1, language_weight=0.1)
        return train_value(source, judged_sums(20), settings, target, **options)
    from restmcts.training.preference import train_preferences

    wanted = PreferenceTraining(**common, method="kto" if kind == "kto" else "dpo")
    return train_preferences(source, preferred_sums(20), wanted, target, **options)


def train_until_killed(
    kind: Kind, source: Path, target: Path, resume: Path, place: str, strategy: str = "", **variables: str
) -> None:
    """Run the training in a process that is killed at ``place``: an update, or the save of one.

    With a ``strategy``, two processes train, and the one that has started them is killed. ``variables`` are
    added to its environment.
    """
    command = [
        sys.executable,
        "-m",
        "tests.training.interrupted",
        kind,
        source,
        target,
        resume,
        place,
        strategy,
    ]
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _main(kind: Any, source: str, target: str, resume: str, place: str, strategy: Any) -> None:
    where, _, number = place.partition(":")

    def killed_at_update(progress: TrainingProgress) -> None:
        if where == "update" and progress.step == int(number):
            _kill()

    if where == "save":
        import torch

        saves, save = [0], torch.save

        def killed_while_saving(*arguments: Any, **named: Any) -> None:
            saves[0] += 1
            save(*arguments, **named)
            if saves[0] == int(number):
                _kill()

        torch.save = killed_while_saving
    import torch

    torch.set_num_threads(1)
    together = {"processes": ProcessSettings(processes=2, strategy=strategy)} if strategy else {}
    train(kind, Path(source), Path(target), Path(resume), progress=killed_at_update, **together)


if __name__ == "__main__":
    _main(*sys.argv[1:])
