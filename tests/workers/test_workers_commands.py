"""Commands that search on a Ray cluster: runs that end early leave no process and go on anywhere."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from store.check import check
from tests.cli.commands import COMMAND, ENVIRONMENT, Done, heed_signals, write_lines
from tests.support.stores import contents
from tests.workers.conftest import ENGINE

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]

ROOT = str(Path(__file__).parents[2])
ON_RAY = ("-o", "cluster.engine=ray", "-o", "cluster.workers=2", "-o", "cluster.cpus_per_worker=0.5")


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    rows = [{"problem": f"q{number}", "answer": "1"} for number in range(40)]
    return write_lines(tmp_path / "problems.jsonl", *rows)


class Command:
    """A search whose processes are known by a variable of their environment."""

    def __init__(self, problems: Path, root: Path, *more: str) -> None:
        self.mark = uuid4().hex
        path = os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH"))))
        words = [
            "search", "--policy", "writer", "--value", "judge", "--problems", problems,
            "--root", root, "--run", "r",
            "-o", f"plugins={ENGINE}", "-o", "models.engine=scripted", "-o", "generation.settings.rounds=6",
            "-o", "models.settings.scripted.seconds=0.01", "-o", "concurrency=4",
            "-o", "sampling.step_tokens=8", "-o", "sampling.trace_tokens=30", *more,
        ]  # fmt: skip
        self.trees = root / "runs" / "r" / "trees" / "search.jsonl"
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**ENVIRONMENT, "PYTHONPATH": path, "RESTMCTS_MARK": self.mark},
            preexec_fn=heed_signals,
        )

    def end(self) -> Done:
        output, errors = self.process.communicate()
        return Done(self.process.returncode, output, errors)

    def wait_for_trees(self, count: int) -> None:
        while self.process.poll() is None and (not self.trees.exists() or len(lines(self.trees)) < count):
            time.sleep(0.01)
        assert self.process.poll() is None, self.end().errors

    def left(self, but: tuple[str, ...] = ()) -> list[str]:
        """The processes that are still there, those of Ray included; they have 30 seconds to end.

        Those whose names begin with one of ``but`` are left out.
        """
        until = time.monotonic() + 30
        while found := [name for name in self.processes() if not name.startswith(but)]:
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        return found

    def processes(self) -> Iterator[str]:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"RESTMCTS_MARK={self.mark}".encode() in (folder / "environ").read_bytes():
                    yield (folder / "cmdline").read_text("utf-8", "replace")
            except OSError:
                continue  # it has ended, or is not ours


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_a_run_that_was_killed_on_a_cluster_goes_on_in_one_process(problems: Path, tmp_path: Path) -> None:
    """Trees, journal and recipe are those of a run that was never on a cluster, and the store is whole."""
    assert Command(problems, tmp_path / "here").end().code == 0
    killed = Command(problems, tmp_path / "there", *ON_RAY)
    killed.wait_for_trees(10)
    killed.process.send_signal(signal.SIGKILL)
    killed.process.communicate()
    # Helpers of Ray look for the head that was killed for a minute, and end then.
    assert killed.left(but=("ray::DashboardAgent", "ray::RuntimeEnvAgent")) == []
    assert 10 <= len(lines(killed.trees)) < 40
    assert all(b"/worker-" in line for line in lines(killed.trees))
    assert Command(problems, tmp_path / "there").end().code == 0
    assert contents(tmp_path / "there", "r") == contents(tmp_path / "here", "r")
    assert check(tmp_path / "there") == []


def test_an_interrupt_ends_everything(problems: Path, tmp_path: Path) -> None:
    command = Command(problems, tmp_path, *ON_RAY, "-o", "models.settings.scripted.seconds=0.1")
    command.wait_for_trees(2)
    command.process.send_signal(signal.SIGINT)
    done = command.end()
    assert done.code == 130
    assert done.output == ""
    assert done.errors.splitlines()[-1].startswith("stopped; what is finished is stored")
    assert "Traceback" not in done.errors
    assert command.left() == []
