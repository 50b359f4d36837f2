"""The question before long work, in a real pseudo-terminal; and what is said without one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

from store.check import check
from tests.cli.commands import ENVIRONMENT, write_lines

SHORT = (
    "import restmcts.loops.work.forecast as forecast\n"
    "forecast.LONG_SECONDS = forecast.PROBE_SECONDS = 0.0\n"
    "forecast.PROBE_SEARCHES = 2\n"
    "from restmcts.cli import main; main()"
)
"""The program with a preview after two searches, however short they were."""


def asked(policy: Path, folder: Path, *more: object) -> list[str]:
    rows = ({"problem": f"Apply +1, +{n % 3} to {n % 7}", "answer": str(n % 7 + 1 + n % 3)} for n in range(9))
    problems = write_lines(folder / "problems.jsonl", *rows)
    words = (
        "search",
        "--method",
        "self-consistency",
        "--budget",
        20,
        "--problems",
        problems,
        "--policy",
        policy,
    )
    root = ("--root", folder / "store", "-o", "concurrency=1")
    return [sys.executable, "-c", SHORT, *map(str, (*words, *root, *more))]


def at_terminal(command: list[str], reply: bytes | None) -> tuple[int, str]:
    """Run a command at a terminal; type ``reply`` when it asks. None: it must not ask."""
    shell, terminal = pty.openpty()
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=ENVIRONMENT, preexec_fn=_take_terminal
    )
    os.close(terminal)
    said = b""
    try:
        while True:
            assert select.select([shell], [], [], 100)[0], said.decode()
            try:
                said += os.read(shell, 4096)
            except OSError:  # the other end is closed
                break
            if b"go on?" in said and reply is not None:
                os.write(shell, reply)
                reply = None
        return process.wait(), said.decode()
    finally:
        process.kill()
        process.wait()
        os.close(shell)


def _take_terminal() -> None:
    """Make standard input the terminal of a new session, so that Ctrl-C there is a signal."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_long_work_is_asked_for_and_goes_on_later(policy: Path, tmp_path: Path) -> None:
    trees = tmp_path / "store/runs/search-self-consistency/trees/search.jsonl"
    code, said = at_terminal(asked(policy, tmp_path), b"n\n")
    assert code == 130 and "stopped; what is finished is stored" in said
    assert "expected from the first 2 searches" in said and "search, self-consistency" in said
    begun = trees.read_bytes()
    assert 2 <= begun.count(b"\n") < 9
    code, said = at_terminal(asked(policy, tmp_path), b"\x03")
    assert code == 130 and trees.read_bytes().startswith(begun)
    code, said = at_terminal(asked(policy, tmp_path), b"\n")
    assert code == 0 and "9 problems searched" in said
    assert trees.read_bytes().startswith(begun) and trees.read_bytes().count(b"\n") == 9
    assert check(tmp_path / "store") == []


def test_yes_and_no_terminal_go_on(policy: Path, tmp_path: Path) -> None:
    code, said = at_terminal(asked(policy, tmp_path, "--yes"), None)
    assert code == 0 and "go on?" not in said and "in all" in said
    command = asked(policy, tmp_path, "--run", "other", "--json")
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.startswith('{"run":"other"') and done.stdout.count("\n") == 1
    assert "no terminal to ask on" in done.stderr and "in all" in done.stderr
