"""Starts the processes that train a model together on this machine, and passes on what they tell.

`torchrun` starts them, each with :mod:`restmcts.training.member`. Their standard output is a pipe with a line
of JSON for each thing that they tell. Their standard input is a pipe on which nothing comes, and which closes
when this process ends, by whatever it ends: then they end too.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
import torch

from restmcts.engines.loading import find_device
from restmcts.errors import InputError, RestmctsError
from restmcts.processes import same_packages
from restmcts.training.jobs import ERRORS, Job
from restmcts.training.report import OnProgress, TrainingProgress, TrainingReport
from restmcts.training.settings import PolicyTraining, ProcessSettings, ValueTraining
from store.encoding.rows import encode_sample

MEMBER: Final = "restmcts.training.member"
END_SECONDS: Final = 60.0
"""Wall time in which processes that are told to end have to do so."""

_ERRORS: Final = {kind.__name__: kind for kind in ERRORS}
_SIGNAL: Final = re.compile(r"Signal (\d+) \((SIG\w+)\) received")
_SETTINGS: Final = ("ACCELERATE_", "FSDP_", "PET_")
"""How variables begin that change what accelerate and torchrun do."""

KINDS: Final[dict[type[Any], str]] = {PolicyTraining: "policy", ValueTraining: "value"}
"""What kind of training settings are for."""


def train_in_processes(
    job: Job[Any, Any], folder: Path, processes: ProcessSettings, progress: OnProgress | None
) -> TrainingReport:
    """Do a job in processes that are started for it; the first of them writes the model into ``folder``.

    Raises:
        InputError: the machine has fewer GPUs than there would be processes.
        RestmctsError: as the training raises it, or a process has ended without saying why.
    """
    _check_devices(job, processes)
    with TemporaryDirectory(prefix="restmcts-training-") as place:
        work, errors = Path(place, "job"), Path(place, "errors")
        write_job(work, job, folder, processes)
        told: list[dict[str, Any]] = []
        with _started(work, processes.processes, errors) as lines:
            for line in lines:
                message = json.loads(line)
                if "progress" not in message:
                    told.append(message)
                elif progress is not None:
                    progress(TrainingProgress(**message["progress"]))
        return outcome(told, errors.read_text(errors="replace"))


def _check_devices(job: Job[Any, Any], processes: ProcessSettings) -> None:
    if find_device(job.device).type == "cuda" and torch.cuda.device_count() < processes.processes:
        raise InputError(
            f"training.processes is {processes.processes}, but torch sees {torch.cuda.device_count()} GPUs:"
            " each process needs one"
        )


@contextmanager
def _started(work: Path, count: int, errors: Path) -> Iterator[Iterator[bytes]]:
    """The lines that ``count`` processes tell; all of them have ended after the block."""
    launcher = (
        "torch.distributed.run",
        "--standalone",
        "--local-addr=127.0.0.1",
        f"--nproc-per-node={count}",
    )
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *launcher, "-m", MEMBER, str(work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for this process, which tells the others
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
        process.wait()
    finally:
        process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _environment() -> dict[str, str]:
    """That of this process, with the packages that it has, and for processes that meet on this machine."""
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    found = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    if loopback is not None:
        found.setdefault("GLOO_SOCKET_IFNAME", loopback)
    return {**found, "PYTHONPATH": same_packages(), "PYTHONSAFEPATH": "1"}


def outcome(told: Sequence[Mapping[str, Any]], errors: str) -> TrainingReport:
    """The report of the process that leads, or the error that says most."""
    failures = [message for message in told if "error" in message]
    known = [message for message in failures if message["kind"] in _ERRORS]
    ended = _SIGNAL.search(errors)
    if known:
        raise _ERRORS[known[0]["kind"]](known[0]["error"])
    if ended is not None:
        raise RestmctsError(
            f"training: a process was ended by {ended[2]}, as the system does where memory runs out;"
            " training.strategy fsdp2, a smaller batch_size or gradient_checkpointing need less"
        )
    if failures:
        first = failures[0]
        raise RestmctsError(f"training: process {first['rank']} failed: {first['kind']}: {first['error']}")
    for message in told:
        return _report(message["report"])
    last = errors.strip().splitlines()[-1:] or ["it said nothing"]
    raise RestmctsError(f"training: the processes could not be started: {last[0]}")


def _report(row: dict[str, Any]) -> TrainingReport:
    return TrainingReport(**row | {"curve": tuple((step, loss) for step, loss in row["curve"])})


def write_job(work: Path, job: Job[Any, Any], folder: Path, processes: ProcessSettings) -> None:
    """Write a job into the new folder ``work``, for the processes that do it."""
    work.mkdir()
    for name in ("samples", "held_out"):
        with (work / f"{name}.jsonl").open("wb") as file:
            file.writelines(encode_sample(sample) + b"\n" for sample in getattr(job, name))
    about = {
        "source": str(job.source.absolute()),
        "folder": str(folder.absolute()),
        "resume": None if job.resume is None else str(job.resume.absolute()),
        "device": job.device,
        "share_nodes": job.share_nodes,
        "kind": KINDS[type(job.settings)],
        "settings": job.settings.model_dump(mode="json"),
        "processes": processes.model_dump(),
        "threads": max(1, torch.get_num_threads() // processes.processes),
    }
    (work / "job.json").write_bytes(orjson.dumps(about))
