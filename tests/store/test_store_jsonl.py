"""Line files, whole files and locks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InputError, StoreError
from store.files.atomic import replace_file
from store.files.jsonl import LineWriter, find_line, read_at, read_lines, read_rows
from store.files.layout import RunLayout, check_name, check_phase, check_rule, run_names
from store.files.lock import RunLock, is_locked


def written(path: Path, *lines: bytes) -> None:
    writer = LineWriter(path)
    for line in lines:
        writer.append(line)
    writer.close()


def test_lines_have_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a" / "x.jsonl"
    written(path, b"1", b'"zwei"')
    lines = list(read_lines(path))
    assert [(line.offset, line.number, line.data, line.end) for line in lines] == [
        (0, 1, b"1", 2),
        (2, 2, b'"zwei"', 9),
    ]
    assert list(read_lines(path, 2, 1)) == lines[1:]
    assert read_at(path, 2, 6) == b'"zwei"'
    assert read_at(path, 2, 60) is None
    assert find_line(path, lambda row: row == "zwei") == lines[1]
    assert find_line(path, lambda row: row == 3) is None


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert list(read_rows(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize(
    "tail", [b"", b"[1, 2", b"[1, 2]", b"[1, 2\n", b"\x00" * 70_000, b"\n", b"x" * 200_000]
)
def test_a_torn_tail_is_left_out_and_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"1\n2\n" + tail)
    assert [row for _, row in read_rows(path)] == [1, 2]
    written(path, b"3")
    assert path.read_bytes() == b"1\n2\n3\n"


def test_a_file_of_one_torn_line_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"[1")
    written(path)
    assert path.read_bytes() == b""


@given(st.lists(st.text(max_size=5)), st.integers(0, 40))
def test_a_cut_anywhere_leaves_the_whole_lines_before_it(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "x.jsonl"
    lines = [f"{len(text)}".encode() for text in texts]
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(data[:cut])
    written(path)
    whole = data[:cut].count(b"\n")
    assert [line.data for line in read_lines(path)] == lines[:whole]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"1\n{broken\n3\n")
    with pytest.raises(StoreError, match=r"x\.jsonl:2: not JSON"):
        list(read_rows(path))
    written(path, b"4")
    assert path.read_bytes() == b"1\n{broken\n3\n4\n"


def fail_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk take ``count`` bytes more, then be full."""
    left = [count]
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(descriptor, bytes(data)[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(os, "write", full)


@pytest.mark.parametrize("space", range(7))
def test_a_full_disk_loses_nothing_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: int
) -> None:
    path = tmp_path / "x.jsonl"
    writer = LineWriter(path)
    writer.append(b"11111")
    with monkeypatch.context() as patch:
        fail_after(space, patch)
        if space < 6:
            with pytest.raises(StoreError, match=r"x\.jsonl: No space left.*free some space"):
                writer.append(b"22222")
            assert path.read_bytes() == b"11111\n"
            with pytest.raises(StoreError):
                writer.append(b"22222222222")
    if space < 6:
        writer.append(b"22222")
    writer.append(b"33333")
    writer.close()
    assert path.read_bytes() == (b"11111\n22222\n33333\n" if space < 6 else b"11111\n33333\n")


def test_what_could_not_be_cut_off_at_once_is_cut_off_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    writer = LineWriter(path)
    writer.append(b"1")

    def broken(_descriptor: int, _size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        fail_after(2, patch)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(StoreError, match="No space left"):
            writer.append(b"222")
    assert path.read_bytes() == b"1\n22"
    writer.append(b"333")
    assert path.read_bytes() == b"1\n333\n"


def test_a_whole_file_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"x\.jsonl: No space left on device; free some space"):
            replace_file(path, [b"new"])
    assert path.read_bytes() == b"old"
    replace_file(path, [b"new"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.jsonl"]


def test_a_whole_file_stays_when_its_rows_fail(tmp_path: Path) -> None:
    path = tmp_path / "x"
    replace_file(path, [b"old"])

    def rows() -> object:
        yield b"new"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(path, rows())  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "trees").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        LineWriter(tmp_path / "trees" / "x.jsonl")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "-x", "a b", "ü", "x" * 101, "a\n"])
def test_names_that_could_leave_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    for check in (check_name, check_phase, check_rule):
        with pytest.raises(InputError, match="starting with a letter or digit"):
            check(name)
    with pytest.raises(InputError):
        RunLayout(tmp_path, name)


def test_names_and_paths(tmp_path: Path) -> None:
    assert check_name("tiny_1.2-b") == "tiny_1.2-b"
    assert check_phase("2.evaluate.mcts") == "2.evaluate.mcts"
    with pytest.raises(InputError):
        check_phase("a_b")
    with pytest.raises(InputError):
        check_rule("a.b")
    layout = RunLayout(tmp_path, "first")
    assert layout.trees("1.search") == tmp_path / "runs/first/trees/1.search.jsonl"
    assert layout.labels("1.search", "rest-mcts").name == "1.search.rest-mcts.jsonl"
    assert layout.checkpoint(2, "value") == layout.folder / "checkpoints/2/value"
    assert run_names(tmp_path) == []
    layout.folder.mkdir(parents=True)
    (tmp_path / "runs" / ".trash").mkdir()
    assert run_names(tmp_path) == ["first"]


def test_a_lock_is_seen_and_released(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    lock = RunLock.take(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(StoreError, match=f"being written by process {os.getpid()}"):
        RunLock.take(tmp_path)
    lock.release()
    lock.release()
    assert not is_locked(tmp_path)
    RunLock.take(tmp_path).release()


LOCKED = """
import os, pathlib, sys
from store.files.lock import RunLock
lock = RunLock.take(pathlib.Path(sys.argv[1]))
if os.fork() == 0:
    print("child", flush=True)
    sys.stdin.read()
    os._exit(0)
os.kill(os.getpid(), 9)
"""


def test_a_child_does_not_keep_the_lock_of_a_killed_writer(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOCKED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process.stdout, process.stdin:
        assert process.stdout.readline() == b"child\n"
        assert process.wait() == -9
        RunLock.take(tmp_path).release()
