"""A model that several processes train together: wrapped, divided among them (FSDP2), and put together again.

The shares of a model are those of `torch.distributed.fsdp.fully_shard`. The state of a training is written by
`torch.distributed.checkpoint`, each process its shares, as safetensors; any number of processes can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from restmcts.training.batches import Batch

Objective = Callable[[PreTrainedModel, Batch], torch.Tensor]
"""The loss of a batch: a sum over its labels, divided by the number of labels in the whole update.

So the losses of the batches of one update add up to a mean, however the labels are spread over them.
"""

_MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight beside the number of updates."""


class Loss(torch.nn.Module):
    """A model with its loss as one module, since processes talk to each other around a forward pass."""

    def __init__(self, model: PreTrainedModel, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.config = model.config
        # Trainer then neither moves the model nor wraps it once more.
        self.is_distributed_loading_by_transformers = False

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.objective(self.model, batch)

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        """See :meth:`PreTrainedModel.gradient_checkpointing_enable`."""
        self.model.gradient_checkpointing_enable(**options)


def mean_objective(size: int) -> Callable[[Any, Batch], torch.Tensor]:
    """The loss of a :class:`Loss` for ``size`` processes: gradients and losses are averaged over them."""
    return lambda loss, batch: size * loss(batch)


def divide(loss: Loss, device: torch.device, size: int) -> None:
    """Divide a model among ``size`` processes, layer by layer, and move the shares to the device."""
    mesh = init_device_mesh(device.type, (size,))
    layers = set(getattr(loss.model, "_no_split_modules", None) or ())
    for module in [module for module in loss.modules() if type(module).__name__ in layers]:
        fully_shard(module, mesh=mesh)
    fully_shard(loss, mesh=mesh)
    loss.is_distributed_loading_by_transformers = True


def put_together(divided: Any, whole: Callable[[], Any], leads: bool) -> Any:
    """An undivided model with the weights of a divided one; all processes have to take part.

    Args:
        divided: the model that was trained.
        whole: makes the model as it was before the training.
        leads: whether this process gets the model.

    Returns:
        The model on the CPU, in the process that leads.
    """
    weights: dict[str, torch.Tensor] = {}
    for name, share in trained_weights(divided):
        assert isinstance(share, DTensor)
        gathered = share.full_tensor()
        if leads:
            weights[name] = gathered.detach().cpu()
    if not leads:
        return None
    model = whole()
    unknown = model.load_state_dict(weights, strict=False).unexpected_keys
    assert not unknown, unknown
    return model


def trained_weights(model: Any) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The weights that a training changes, each once."""
    return ((name, weights) for name, weights in model.named_parameters() if weights.requires_grad)


def save_shares(trainer: Any, folder: Path) -> None:
    """Write the shares of this process of the weights and of the state of AdamW.

    Raises:
        OSError: a process cannot write; or SafetensorError.
    """
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    with _own_errors():
        save(_shares(trainer.model.model, trainer.optimizer.state), storage_writer=writer)


def load_shares(trainer: Any, folder: Path, updates: int) -> None:
    """Read what :func:`save_shares` has written after so many updates, by any number of processes."""
    state = trainer.optimizer.state
    for _, weights in trained_weights(trainer.model.model):
        step = torch.tensor(float(updates), device=weights.device)
        state[weights] = {"step": step} | {name: torch.zeros_like(weights) for name in _MOMENTS}
    reader = HuggingFaceStorageReader(str(folder))
    with _own_errors():
        load(_shares(trainer.model.model, state), storage_reader=reader)


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise what a process has raised, instead of torch's collection, which is no :class:`Exception`."""
    try:
        yield
    except CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from None


def _shares(model: Any, state: Any) -> dict[str, torch.Tensor]:
    """Weights and moments by name; what is loaded is written into these tensors."""
    found: dict[str, torch.Tensor] = {}
    for name, weights in trained_weights(model):
        found[f"{name}:weights"] = weights.detach()
        found |= {f"{name}:{moment}": state[weights][moment] for moment in _MOMENTS}
    return found
