"""Trainings that go on where they were interrupted, from a folder that is whole or not there.

The folder holds the weights that are trained (safetensors), the states of optimizer, scheduler and random
number generators, and the loss curve so far. torch reads its files with ``weights_only=True``; the arguments
of the Trainer, which would be a pickle, are not written. Where each process of a group holds a share of the
model, it writes that share of the weights and of the optimizer's state as safetensors.
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
from restmcts.training.group import ALONE, Group
from restmcts.training.jobs import Job
from restmcts.training.settings import TrainingSettings
from restmcts.training.sharing import Loss, load_shares, save_shares, trained_weights
from store.encoding.rows import encode_sample
from store.errors import StoreError
from store.files.fingerprints import fingerprint_folder
from store.files.folders import AGAIN, find_whole, remove_folder
from store.records import Sample

_WEIGHTS: Final = "weights.safetensors"
_SHARES: Final = "shares"
_SCHEDULER: Final = "scheduler.pt"
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
    def of(cls, job: Job[Any, Any], group: Group = ALONE) -> SavedState | None:
        """The state of a training; None without a folder for it.

        Processes that hold a share each have states of another form; their number changes nothing.
        """
        if job.resume is None:
            return None
        about = {
            "source": [_content(job.source), _content(whole_folder(job.source))],
            "samples": _digest(job.samples),
            "settings": job.settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
            "versions": [restmcts.__version__, *map(version, _LIBRARIES)],
            "share_nodes": job.share_nodes,
            "sharded": group.sharded,
        }
        key = hashlib.sha256(orjson.dumps(about, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return cls(job.resume, key)

    def usable(self, group: Group = ALONE) -> str | None:
        """The folder, if it holds a whole state of this very training; a state of another one is removed.

        The process that leads a group looks, and the others get what it has found.
        """
        return str(self.folder) if group.agreed(group.leads and self._is_usable()) else None

    def _is_usable(self) -> bool:
        if find_whole(self.folder):
            if orjson.loads((self.folder / _KEY).read_bytes()) == {"key": self.key}:
                return True
            self.remove()
        return False

    def save(self, trainer: Any) -> None:
        """Write the state of a Trainer, in the place of the one before; all processes of a group take part.

        Raises:
            StoreError: it cannot be written; the state before is still there.
        """
        group: Group = trainer.group
        with group.common_folder(self.folder) as folder, saving(folder), _said(self.folder):
            if group.leads and not group.sharded:
                save_file(
                    {name: weights.detach().contiguous() for name, weights in _trained(trainer)},
                    folder / _WEIGHTS,
                )
            trainer._save_optimizer_and_scheduler(str(folder))
            trainer._save_rng_state(str(folder))
            if group.leads:
                trainer.state.save_to_json(str(folder / _STATE))
                (folder / _KEY).write_bytes(orjson.dumps({"key": self.key}))

    def remove(self) -> None:
        """Remove the folder: the training is done, or it is another one."""
        remove_folder(self.folder)


class Resumable:
    """What a Trainer does in another way: it saves to, and goes on from, a :class:`SavedState`."""

    saved: SavedState | None = None
    group: Group = ALONE

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        assert self.saved is not None, "only SaveWhenDue asks for it"
        self.saved.save(self)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.group.sharded:
            return  # the shares of the weights are read with those of the optimizer
        found = load_file(Path(resume_from_checkpoint) / _WEIGHTS)
        with torch.no_grad():
            for name, weights in _trained(self):
                if name not in found or found[name].shape != weights.shape:
                    raise StoreError(
                        f"{resume_from_checkpoint}: the state of the training has other weights {name} than"
                        " the model; delete this folder, then the training starts again"
                    )
                weights.copy_(found[name])

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        parent: Any = super()
        if not self.group.sharded:
            parent._save_optimizer_and_scheduler(output_dir)
            return
        me: Any = self
        save_shares(self, Path(output_dir) / _SHARES)
        if self.group.leads:
            torch.save(me.lr_scheduler.state_dict(), Path(output_dir) / _SCHEDULER)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        parent: Any = super()
        if checkpoint is None or not self.group.sharded:
            parent._load_optimizer_and_scheduler(checkpoint)
            return
        me: Any = self
        load_shares(self, Path(checkpoint) / _SHARES, me.state.global_step)
        me.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / _SCHEDULER, weights_only=True))
        for group, rate in zip(me.optimizer.param_groups, me.lr_scheduler.get_last_lr(), strict=True):
            group["lr"] = rate


class SaveWhenDue(TrainerCallback):
    """Asks for the state to be saved after so many minutes or updates.

    That is at a point of the loss curve, because the Trainer does not keep the loss since the point before.
    The clock of the process that leads a group decides for all.
    """

    def __init__(self, settings: TrainingSettings, group: Group = ALONE) -> None:
        self.minutes, self.updates, self.group = settings.save_minutes, settings.save_updates, group
        self.time, self.step = monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.time, self.step = monotonic(), state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not control.should_log or state.global_step >= state.max_steps:
            return
        late = self.minutes is not None and monotonic() - self.time >= 60 * self.minutes
        far = self.updates is not None and state.global_step - self.step >= self.updates
        control.should_save = self.group.agreed(late or far)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.time, self.step = monotonic(), state.global_step


def _trained(trainer: Any) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The weights that a training changes, by their names in the model alone."""
    model = trainer.model
    return trained_weights(model.model if isinstance(model, Loss) else model)


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
