"""The processes that train one model together, each of which runs the same command.

`torchrun` and `accelerate launch` start them and say in the environment what each of them is. The first one
leads: it alone shows progress and writes. Importing this does not import torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from restmcts.errors import InputError
from restmcts.training.settings import ProcessSettings, Strategy
from store.files.folders import new_folder, partial_folder

_STORE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Group:
    """What this process is among those that train together.

    Attributes:
        rank: its number, from 0.
        size: how many they are.
        strategy: how they share the model.
        alone: nobody else takes part, and nothing is sent.
    """

    rank: int = 0
    size: int = 1
    strategy: Strategy = "ddp"
    alone: bool = True

    @classmethod
    def here(cls, wanted: ProcessSettings) -> Group:
        """The group that this process was started in; it is alone if it was not started by a launcher.

        Raises:
            InputError: another number of processes is wanted, or the launcher was told to share the model.
        """
        if not _launched():
            return ALONE
        size = int(os.environ["WORLD_SIZE"])
        if wanted.processes not in (1, size):
            raise InputError(
                f"processes is {wanted.processes}, but the launcher has started {size}: leave processes out"
            )
        if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
            raise InputError("accelerate launch: leave --use_fsdp out and give --strategy fsdp2 instead")
        return cls(int(os.environ["RANK"]), size, wanted.strategy, alone=False)

    @property
    def leads(self) -> bool:
        """Whether this process shows progress and writes."""
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        """Whether each process holds a share of the model only."""
        return not self.alone and self.strategy == "fsdp2"

    def starts(self, wanted: ProcessSettings) -> bool:
        """Whether the processes that are wanted have to be started."""
        return self.alone and wanted.processes > 1

    def wait(self) -> None:
        """Wait until all processes are here."""
        if not self.alone:
            from torch.distributed import barrier

            barrier()

    def agreed(self, opinion: bool) -> bool:
        """The opinion of the process that leads."""
        if self.alone:
            return opinion
        import torch

        place = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        said = torch.tensor(int(opinion), device=place)
        torch.distributed.broadcast(said, 0)
        return bool(said.item())

    @contextmanager
    def folder(self, target: Path) -> Iterator[Path]:
        """:func:`new_folder` in the process that leads; the others get its name and must not write there."""
        if self.leads:
            with new_folder(target) as folder:
                yield folder
        else:
            yield partial_folder(target)

    @contextmanager
    def common_folder(self, target: Path) -> Iterator[Path]:
        """:func:`new_folder` for files of all processes, which have to see the same disk."""
        with self.folder(target) as folder:
            self.wait()
            yield folder
            self.wait()

    def leave(self) -> None:
        """Let the others go on without this process."""
        if not self.alone:
            from torch import distributed

            if distributed.is_initialized():
                distributed.destroy_process_group()


ALONE = Group()


def ends_first() -> bool:
    """Whether no other process of the group has asked this before; alone, none has.

    So an error that all processes meet is said once.
    """
    if not _launched() or int(os.environ["WORLD_SIZE"]) == 1:
        return True
    from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            wait_for_workers=False,
            timeout=timedelta(seconds=_STORE_SECONDS),
        )
        return store.add("restmcts/ended", 1) == 1
    except DistError:
        return True  # the launcher has ended: better twice than never


def _launched() -> bool:
    return {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
