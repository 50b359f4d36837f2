"""Doing a training: in this process, or in processes that are started for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from restmcts.training.group import Group
from restmcts.training.jobs import Fit, Job
from restmcts.training.launching import train_in_processes
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.settings import ONE_PROCESS, ProcessSettings
from store.files.folders import remove_folder


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
            report = train_in_processes(job, folder, processes, progress)
        else:
            report = fit(job, folder, progress, group)
        if beside is not None and group.leads:
            beside(folder)
    if job.resume is not None and group.leads:
        remove_folder(job.resume)
    return report
