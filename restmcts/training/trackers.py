"""Programs that show how trainings go, told by the callbacks of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from transformers import TrainerCallback, integrations

CALLBACKS: Final[dict[str, str]] = {
    "mlflow": "MLflowCallback",
    "tensorboard": "TensorBoardCallback",
    "trackio": "TrackioCallback",
    "wandb": "WandbCallback",
}


def trackers(names: Sequence[str], target: Path) -> list[TrainerCallback]:
    """The callbacks that tell these programs about the training of a model.

    The files of tensorboard lie in TENSORBOARD_LOGGING_DIR, or beside the model.
    """
    made: list[TrainerCallback] = []
    for name in names:
        callback: Any = getattr(integrations, CALLBACKS[name])()
        if name == "tensorboard" and callback.logging_dir is None:
            callback.logging_dir = str(target.with_name(f"{target.name}.tensorboard"))
        made.append(callback)
    return made
