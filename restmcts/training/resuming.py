"""Trainings that go on where they were interrupted, from a folder that is whole or not there.

The folder holds the weights that are trained (safetensors), the states of optimizer, scheduler and random
number generators, and the loss curve so far. torch reads its files with ``weights_only=True``; the arguments
of the Trainer, which would be a pickle, are not written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Final

import orjson
import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

import restmcts
from restmcts.engines.adapters import whole_folder
from restmcts.training.checkpoint import saving
from restmcts.training.settings import TrainingSettings
from store.encoding.rows import encode_sample
from store.errors import StoreError
from store.files.fingerprints import fingerprint_folder
from store.files.folders import AGAIN, find_whole, new_folder, remove_folder
from store.records import Sample

_WEIGHTS: Final = "weights.safetensors"
_STATE: Final = "trainer_state.json"
_KEY: Final = "training.json"
_LIBRARIES: Final = ("peft", "torch", "transformers", "trl")
_WITHOUT_EFFECT: Final = {"report_to", "save_minutes", "save_updates"}
"""Settings that do not change what is learned."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """Where the state of a training is saved, and the key of the training that it belongs to."""

    folder: Path
    key: str

    @classmethod
    def of(
        cls,
        folder: Path | None,
        source: Path,
        samples: Iterable[Sample],
        settings: TrainingSettings,
        **more: object,
    ) -> SavedState | None:
        """The state of a training; None without a folder.

        Args:
            folder: where it is, or is going to be.
            source: the folder of the model that the training starts from.
            samples: what is learned.
            settings: how.
            more: whatever else decides what is learned.
        """
        if folder is None:
            return None
        about = {
            "source": [_content(source), _content(whole_folder(source))],
            "samples": _digest(samples),
            "settings": settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
            "versions": [restmcts.__version__, *map(version, _LIBRARIES)],
            **more,
        }
        return cls(folder, hashlib.sha256(orjson.dumps(about, option=orjson.OPT_SORT_KEYS)).hexdigest())

    def usable(self) -> str | None:
        """The folder, if it holds a whole state of this very training; a state of another one is removed."""
        if find_whole(self.folder):
            if orjson.loads((self.folder / _KEY).read_bytes()) == {"key": self.key}:
                return str(self.folder)
            self.remove()
        return None

    def save(self, trainer: Any) -> None:
        """Write the state of a Trainer, in the place of the one before.

        Raises:
            StoreError: it cannot be written; the state before is still there.
        """
        with new_folder(self.folder) as folder, saving(folder):
            save_file(
                {name: weights.detach().contiguous() for name, weights in _trained(trainer.model)},
                folder / _WEIGHTS,
            )
            with _said(self.folder):
                trainer._save_optimizer_and_scheduler(str(folder))
                trainer._save_rng_state(str(folder))
            trainer.state.save_to_json(str(folder / _STATE))
            (folder / _KEY).write_bytes(orjson.dumps({"key": self.key}))

    def remove(self) -> None:
        """Remove the folder: the training is done, or it is another one."""
        remove_folder(self.folder)


class Resumable:
    """What a Trainer does in another way: it saves to, and goes on from, a :class:`SavedState`."""

    saved: SavedState | None = None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        assert self.saved is not None, "only SaveWhenDue asks for it"
        self.saved.save(self)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        me: Any = self
        found = load_file(Path(resume_from_checkpoint) / _WEIGHTS)
        with torch.no_grad():
            for name, weights in _trained(me.model):
                weights.copy_(found[name])


class SaveWhenDue(TrainerCallback):
    """Asks for the state to be saved after so many minutes or updates.

    That is at a point of the loss curve, because the Trainer does not keep the loss since the point before.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self.minutes, self.updates = settings.save_minutes, settings.save_updates
        self.time, self.step = monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.time, self.step = monotonic(), state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        late = self.minutes is not None and monotonic() - self.time >= 60 * self.minutes
        far = self.updates is not None and state.global_step - self.step >= self.updates
        if (late or far) and control.should_log and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.time, self.step = monotonic(), state.global_step


def _trained(model: Any) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The weights that a training changes, each once."""
    return ((name, weights) for name, weights in model.named_parameters() if weights.requires_grad)


@contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Turn what torch raises when it cannot write, which does not say why, into one line."""
    try:
        yield
    except RuntimeError as error:
        if "inline_container" not in str(error):
            raise
        raise StoreError(
            f"cannot write {folder}, the state of the training: free some space or check the disk, then"
            f" {AGAIN}"
        ) from error


def _content(folder: Path) -> dict[str, str]:
    return {path: found.sha256 for path, found in fingerprint_folder(folder).items()}


def _digest(samples: Iterable[Sample]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(encode_sample(sample) + b"\n")
    return digest.hexdigest()
