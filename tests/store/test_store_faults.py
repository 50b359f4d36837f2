"""Torn lines, killed writers, full disks, folders that cannot be written: nothing is lost or doubled."""

from __future__ import annotations

import errno
import os
import random
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.check import check, rebuild
from store.encoding.searches import encode_search
from store.errors import StoreError
from store.files.jsonl import LineWriter, read_rows
from tests.store.build import (
    LABELS,
    PHASE,
    open_run,
    record,
    tables,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.runs.writer import RunWriter


def started(root: Path) -> RunWriter:
    writer = open_run(root)
    writer.start_phase(PHASE, "search", 1)
    return writer


def test_a_torn_last_tree_at_every_byte(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.add_tree(record(0))
        path = writer.layout.trees(PHASE)
        start = path.stat().st_size
        writer.add_tree(record(1))
    data = path.read_bytes()
    for end in range(start, len(data)):
        path.write_bytes(data[:end])
        assert [row["header"]["id"] for _, row in read_rows(path)] == [f"{PHASE}/0"]
        LineWriter(path).close()
        assert path.read_bytes() == data[:start]
    for end in range(start, len(data), 200):
        path.write_bytes(data[:end])
        with started(tmp_path) as writer:
            assert writer.finished_trees(PHASE) == {f"{PHASE}/0"}
            assert path.read_bytes() == data[:start]
            writer.sync_index()
            assert len(tables(tmp_path)["trees"]) == 1
    with started(tmp_path) as writer:
        writer.add_tree(record(1))
        assert path.read_bytes() == data
    assert len(tables(tmp_path)["trees"]) == 2


def test_a_tree_that_the_index_has_and_the_file_lost(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.add_tree(record(0))
        writer.add_tree(record(1))
        path = writer.layout.trees(PHASE)
    path.write_bytes(path.read_bytes()[:-1])
    with started(tmp_path) as writer:
        assert writer.finished_trees(PHASE) == {f"{PHASE}/0"}
        writer.sync_index()
        found = tables(tmp_path)
        assert [row[3] for row in found["trees"]] == [f"{PHASE}/0"]
        assert len(found["nodes"]) == 4


def test_a_broken_line_in_the_middle(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        for number in range(3):
            writer.add_tree(record(number))
        path = writer.layout.trees(PHASE)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{broken}\n" + lines[2])
    with open_run(tmp_path) as writer:
        with pytest.raises(StoreError, match=r"1\.search\.jsonl:2: not JSON"):
            writer.start_phase(PHASE, "search", 1)
        with pytest.raises(StoreError, match=r"1\.search\.jsonl:2: not JSON"):
            list(writer.read_trees(PHASE))
        with pytest.raises(StoreError, match=r"1\.search\.jsonl:2"):
            writer.finished_trees(PHASE)
        assert writer.sync_index() == []
    assert [finding for finding in check(tmp_path) if "1.search.jsonl:2: not JSON" in finding]
    assert len(tables(tmp_path)["trees"]) == 2


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.store.build import PHASE, open_run, record
writer = open_run(Path(sys.argv[1]))
writer.start_phase(PHASE, "search", 1)
done = writer.finished_trees(PHASE)
for number in range(10_000):
    if f"{PHASE}/{number}" in done:
        continue
    writer.add_tree(record(number))
    if number % 7 == 0:
        writer.sync_index()
    print(number, flush=True)
"""


def test_a_killed_writer_loses_no_finished_tree(tmp_path: Path) -> None:
    chance = random.Random(3)
    told: set[str] = set()
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with process.stdout:
            for _ in range(chance.randrange(1, 40)):
                told.add(f"{PHASE}/{int(process.stdout.readline())}")
            process.kill()
            told |= {f"{PHASE}/{int(line)}" for line in process.stdout if line.endswith(b"\n")}
            process.wait()
        with open_run(tmp_path) as writer:
            finished = writer.finished_trees(PHASE)
            assert told <= finished
            assert len(finished) == len(list(writer.read_trees(PHASE)))
    live = tables(tmp_path)
    rebuild(tmp_path)
    assert tables(tmp_path) == live
    assert check(tmp_path) == []


LIMITED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.store.build import PHASE, open_run, record
from store.errors import StoreError
writer = open_run(Path(sys.argv[1]))
writer.start_phase(PHASE, "search", 1)
try:
    for number in range(1000):
        writer.add_tree(record(number))
except StoreError as error:
    print(error)
"""


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    limit = 200_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
        check=False,
    )
    assert "1.search.jsonl: File too large; raise the file size limit" in process.stdout
    with started(tmp_path) as writer:
        count = len(writer.finished_trees(PHASE))
        assert count == limit // (len(encode_search(record(100))) + 1) or count > 0
        for number in range(count, count + 3):
            writer.add_tree(record(number))
        assert len(list(writer.read_trees(PHASE))) == count + 3
    assert check(tmp_path) == []


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("may not mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path, 2000):
        ballast = tmp_path / "ballast"
        writer = started(tmp_path)
        written = 0
        ballast.write_bytes(b"x" * 1_500_000)
        with pytest.raises(StoreError, match="No space left on device; free some space") as caught:
            for number in range(5000):
                writer.add_tree(record(number))
                written = number + 1
        assert "\n" not in str(caught.value)
        assert written > 10
        with pytest.raises(StoreError):
            writer.finish_phase(PHASE, {"message": "x" * 5000})
        with pytest.raises(StoreError):
            writer.write_labels(PHASE, "rest-mcts", [(f"{PHASE}/0", LABELS)] * 1000)
        assert len(list(writer.read_trees(PHASE))) == written
        ballast.unlink()
        for number in range(written, written + 20):
            writer.add_tree(record(number))
        writer.finish_phase(PHASE, {})
        writer.sync_index()
        writer.close()
        with open_run(tmp_path) as writer:
            expected = [f"{PHASE}/{number}" for number in range(written + 20)]
            assert [search.header.id for search in writer.read_trees(PHASE)] == expected
        assert check(tmp_path) == []
        live = tables(tmp_path)
        rebuild(tmp_path)
        assert tables(tmp_path) == live


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_starting_on_a_full_disk_and_again(tmp_path: Path) -> None:
    with small_disk(tmp_path, 700):
        ballast = tmp_path / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
        with pytest.raises(StoreError) as caught:
            started(tmp_path)
        assert "\n" not in str(caught.value)
        ballast.unlink()
        with started(tmp_path) as writer:
            writer.add_tree(record())
        assert check(tmp_path) == []


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        open_run(tmp_path / "file" / "store")


READ_ONLY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.store.build import open_run
from store.errors import StoreError
if os.geteuid() == 0:
    os.setuid(65534)
try:
    open_run(Path(sys.argv[1]) / "store")
except StoreError as error:
    print(error)
"""


def test_a_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        process = subprocess.run(
            [sys.executable, "-c", READ_ONLY, folder, str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        Path(folder).chmod(0o755)
    assert "Permission denied; choose a store in a folder that can be written" in process.stdout
