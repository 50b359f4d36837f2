"""Runs the command line as a person would: a process, its output, its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.warm import run_warm

SMALL = Path(__file__).with_name("small.toml")
COMMAND = (sys.executable, "-c", "from restmcts.cli import main; main()")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def start_command(*arguments: object) -> subprocess.Popen[str]:
    """Start a command that is to be interrupted."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=heed_signals,
    )


def heed_signals() -> None:
    """Shells let processes in the background ignore that they are interrupted, and those pass it on."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    output: str
    errors: str

    def json(self) -> Any:
        return json.loads(self.output)


def restmcts(*arguments: object, code: int | None = 0, anew: bool = False, **variables: str) -> Done:
    """Run a command to its end; ``code`` is what it has to exit with, None for anything.

    ``variables`` are added to its environment. With them, or with ``anew``, it is started as a person starts
    it; the others are forked from a process that has imported the slow libraries.
    """
    words = list(map(str, arguments))
    if variables or anew:
        ended = subprocess.run(
            [*COMMAND, *words], capture_output=True, text=True, env=ENVIRONMENT | variables, check=False
        )
        done = Done(ended.returncode, ended.stdout, ended.stderr)
    else:
        done = Done(*run_warm(words, ENVIRONMENT))
    if code is not None:
        assert done.code == code, f"exit code {done.code}: {done.errors}"
    return done


def refused(*arguments: object, code: int = 2) -> str:
    """The one line that a command says when it cannot do what it was asked for."""
    done = restmcts(*arguments, code=code)
    lines = [line for line in done.errors.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1, done.errors
    assert lines[0].startswith("error: ")
    assert done.output == ""
    return lines[0]


def write_lines(path: Path, *rows: object) -> Path:
    """A JSON Lines file; a row that is text already is written as it is."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def state(root: Path) -> dict[str, bytes]:
    """Every file of a store but the ones that only say who writes, and the index."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "writer.lock" and not path.name.startswith("index.db")
    }
