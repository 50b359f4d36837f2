"""Commands that look at a store: what they say about names and folders that are none."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.commands import COMMAND, ENVIRONMENT, refused, restmcts


@pytest.mark.parametrize("command", [("show",), ("export", "tree")])
def test_names_that_are_none_are_answered_with_the_nearest(store: Path, command: tuple[str, ...]) -> None:
    for name, hint in (
        ("smal", "no run 'smal' in"),
        ("smal", "did you mean 'small'?"),
        ("small/1.serch/0", "no phase '1.serch' in run 'small': did you mean '1.search'?"),
        ("small/1.search/99999", "those of 1.search are 0 to "),
    ):
        assert hint in refused(*command, name, "--root", store)


@pytest.mark.parametrize("command", [("runs",), ("runs", "--json"), ("show", "small")])
def test_a_folder_that_is_no_store_names_stores_nearby(
    store: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("")
    (tmp_path / "demo").symlink_to(store)
    line = refused(*command, "--root", tmp_path / "etc")
    assert "no store: there is no run in it" in line
    assert f"(near: {tmp_path / 'demo'})" in line and "--root or RESTMCTS_ROOT" in line


def test_a_new_folder_is_a_store_without_runs(tmp_path: Path) -> None:
    assert restmcts("runs", "--root", tmp_path, "--json").json() == []


def test_the_runs_show_held_out_accuracy_and_not_a_share_of_all_trees(store: Path) -> None:
    (row,) = restmcts("runs", "--root", store, "--json").json()
    shown = restmcts("show", "small", "--root", store, "--json").json()
    greedy = [each for each in shown["evaluations"] if each["method"] == "greedy"]
    assert len(greedy) > 1
    assert row["headline"]["method"] == "greedy"
    assert row["headline"]["first"] == greedy[0] and row["headline"]["last"] == greedy[-1]
    text = restmcts("runs", "--root", store).output
    assert f"greedy {greedy[0]['accuracy']:.1%} → {greedy[-1]['accuracy']:.1%}" in text
    assert "solved" not in text and "created (UTC)" in text


@pytest.mark.parametrize("columns", [40, 80, 132])
def test_a_tree_fits_the_terminal_with_all_its_nodes_and_figures(store: Path, columns: int) -> None:
    tree = restmcts("show", "small/1.search/0", "--root", store).output
    nodes = restmcts("export", "tree", "small/1.search/0", "--root", store).json()["nodes"]
    lines = terminal(columns, "show", "small/1.search/0", "--root", store).splitlines()
    rows = [line.split() for line in lines if re.match(r" *\d+ +\d+ ", line)]
    assert [int(row[0]) for row in rows if row] != [] and len(rows) == len(nodes) == len(
        [line for line in tree.splitlines() if re.match(r" *\d+ +\d+ ", line)]
    )
    by_number = {int(row[0]): row for row in rows}
    for node in nodes:
        assert by_number[node["id"]][1] == str(node["depth"])
    if columns >= 80:
        table = [line for line in lines if re.match(r" *\d+ +\d+ ", line)]
        assert max(map(len, table)) <= columns


def terminal(columns: int, *arguments: object) -> str:
    """What a command writes to a terminal of so many columns."""
    master, slave = pty.openpty()
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env=environment | {"TERM": "dumb", "COLUMNS": str(columns)},
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    assert process.wait() == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


class Screens:
    """`restmcts tui` in a terminal."""

    def __init__(self, *arguments: object) -> None:
        pid, self._master = pty.fork()
        if pid == 0:
            os.environ.update(ENVIRONMENT | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"})
            os.execvp(COMMAND[0], [*COMMAND, "tui", *map(str, arguments)])
        self.pid = pid
        self.output = b""

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, text: bytes, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < end, self.output[-2000:]
            self._read(0.2)

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            with suppress(OSError):  # Linux says so when the other side has ended
                self.output += os.read(self._master, 65536)

    def state(self, seconds: float = 30) -> int:
        """The status of the process when it stops or ends."""
        end = time.monotonic() + seconds
        while True:
            found, status = os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)
            if found:
                return status
            assert time.monotonic() < end, self.output[-2000:]
            self._read(0.05)

    def close(self) -> None:
        os.close(self._master)


def test_the_screens_open_at_a_tree_are_suspended_and_end(store: Path) -> None:
    screens = Screens("small/1.search/0", "--root", store)
    try:
        screens.wait_for(b"small / 1.search/0")
        screens.press(b"\x1a")
        assert os.WIFSTOPPED(screens.state())
        os.kill(screens.pid, signal.SIGCONT)
        screens.press(b"q")
        assert os.waitstatus_to_exitcode(screens.state()) == 0
    finally:
        screens.close()
