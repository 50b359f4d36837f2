"""A process that :mod:`restmcts.training.launching` starts: `python -m restmcts.training.member JOB`.

It tells on standard output, a line of JSON each: ``{"progress": …}`` and ``{"report": …}`` if it leads, or
``{"error": …, "kind": …, "rank": …}``.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import orjson

from restmcts.errors import RestmctsError
from restmcts.processes import private_output, reply
from restmcts.training.group import Group
from restmcts.training.jobs import ERRORS, Fit, Job
from restmcts.training.report import TrainingProgress, TrainingReport
from restmcts.training.settings import PolicyTraining, ProcessSettings, TrainingSettings, ValueTraining
from store.encoding.rows import sample_from
from store.files.jsonl import read_rows

_LONGEST = 2000
"""Characters of an error that are told: lines of several processes stay whole up to 4 kB."""


def main(work: Path) -> int:
    """Do the job in the folder ``work`` as a member of the group; returns the exit code."""
    output = private_output()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    about = orjson.loads((work / "job.json").read_bytes())
    group = Group.here(ProcessSettings(**about["processes"]))
    try:
        report = _do(work, about, group, output)
    except RestmctsError as error:
        kind = next(kind for kind in ERRORS if isinstance(error, kind))
        return _failed(output, kind, error, group)
    except Exception as error:
        return _failed(output, type(error), error, group)
    if group.leads:
        reply(output, {"report": asdict(report)})
    group.leave()
    return 0


def _do(work: Path, about: dict[str, Any], group: Group, output: TextIO) -> TrainingReport:
    import torch

    torch.set_num_threads(about["threads"])
    torch.set_num_interop_threads(1)
    fit, settings = _kind(about["kind"])
    samples, held_out = ([*_samples(work / f"{name}.jsonl")] for name in ("samples", "held_out"))
    resume = None if about["resume"] is None else Path(about["resume"])
    job: Job[Any, Any] = Job(
        Path(about["source"]),
        samples,
        settings(**about["settings"]),
        about["device"],
        resume,
        held_out,
        about["share_nodes"],
    )

    def tell(progress: TrainingProgress) -> None:
        reply(output, {"progress": asdict(progress)})

    return fit(job, Path(about["folder"]), tell if group.leads else None, group)


def _kind(kind: str) -> tuple[Fit, type[TrainingSettings]]:
    if kind == "policy":
        from restmcts.training.policy import fit_policy

        return fit_policy, PolicyTraining
    from restmcts.training.values.training import fit_value

    return fit_value, ValueTraining


def _samples(path: Path) -> list[Any]:
    return [sample_from(row, f"{path}:{line.number}") for line, row in read_rows(path, whole=True)]


def _failed(output: TextIO, kind: type[Exception], error: Exception, group: Group) -> int:
    text = " ".join(str(error).split())
    reply(output, {"error": text[:_LONGEST], "kind": kind.__name__, "rank": group.rank})
    return 1


def _end_with_parent() -> None:
    """End when standard input closes, which the process that started the group has the other end of."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    if main(Path(sys.argv[1])):
        os._exit(1)  # what waits for other processes could keep this one from ending
