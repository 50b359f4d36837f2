"""A training as data: what is read, how it is learned, and who does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from restmcts.errors import InputError, PhaseError, RestmctsError, StoreError
from restmcts.training.group import Group
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.settings import ONE_PROCESS, Device, ProcessSettings, TrainingSettings
from store.files.folders import remove_folder
from store.records import PolicySample, PreferenceSample, ValueSample

ERRORS: Final = (InputError, PhaseError, StoreError, RestmctsError)
"""The errors that trainings raise, the family last."""

AnySample = TypeVar("AnySample", PolicySample, ValueSample, PreferenceSample)
AnySettings = TypeVar("AnySettings", bound=TrainingSettings)


@dataclass(frozen=True, slots=True)
class Job(Generic[AnySample, AnySettings]):
    """One training.

    Attributes:
        source: the folder of the model to start from.
        samples: what is learned.
        settings: how.
        device: where.
        resume: a folder for the state of the training.
        held_out: samples that figures of the model are computed on.
        share_nodes: count a node that several chains of a tree share once.
    """

    source: Path
    samples: Sequence[AnySample]
    settings: AnySettings
    device: Device = "auto"
    resume: Path | None = None
    held_out: Sequence[AnySample] = ()
    share_nodes: bool = True


Fit = Callable[[Any, Path, OnProgress | None, Group], TrainingReport]
"""Does a job in one process of a group; the one that leads writes the model into the folder."""


def train(
    job: Job[Any, Any],
    fit: Fit,
    target: Path,
    progress: OnProgress | None,
    processes: ProcessSettings = ONE_PROCESS,
    beside: Callable[[Path], None] | None = None,
) -> TrainingReport:
    """Do a job here, or in processes that are started for it, and write the model to ``target``.

    Args:
        job: the training.
        fit: does the job in one process.
        target: the folder to write, all of it or nothing.
        progress: called about a hundred times.
        processes: how many train together.
        beside: gets the folder with the trained model in it, and may write further files there.

    Raises:
        RestmctsError: as ``fit`` raises it.
    """
    group = Group.here(processes)
    with group.folder(target) as folder:
        if group.starts(processes):
            from restmcts.training.launching import train_in_processes

            report = train_in_processes(job, folder, processes, progress)
        else:
            report = fit(job, folder, progress, group)
        if beside is not None and group.leads:
            beside(folder)
    if job.resume is not None and group.leads:
        remove_folder(job.resume)
    return report
