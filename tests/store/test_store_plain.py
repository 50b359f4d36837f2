"""No link, pipe or device in a store is followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store.check import check, rebuild
from store.errors import StoreError
from store.files.atomic import replace_file
from store.files.jsonl import LineWriter, read_at, read_lines
from store.files.plain import check_place, check_tree, is_plain, leads_out, open_plain, read_plain
from store.index.reader import StoreReader
from tests.store.build import PHASE, fill, open_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("one\ntwo without an end")
    return path


def test_a_link_is_not_opened(notes: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(notes)
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_TRUNC):
        with pytest.raises(StoreError, match="link: a symbolic link"):
            open_plain(link, flags)
    assert notes.read_text() == "one\ntwo without an end"


def test_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="pipe: a pipe"):
        read_plain(tmp_path / "pipe")
    with pytest.raises(StoreError, match="pipe: a pipe"):
        list(read_lines(tmp_path / "pipe"))


def test_what_is_missing_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "nothing", os.O_RDONLY)
    os.close(open_plain(tmp_path / "new", os.O_WRONLY | os.O_CREAT))
    assert is_plain(tmp_path / "new")


def test_a_line_writer_cuts_no_file_that_a_link_leads_to(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "phases.jsonl").symlink_to(notes)
    with pytest.raises(StoreError, match="a symbolic link"):
        LineWriter(tmp_path / "phases.jsonl")
    with pytest.raises(StoreError, match="a symbolic link"):
        read_at(tmp_path / "phases.jsonl", 0, 3)
    assert notes.read_text() == "one\ntwo without an end"


def test_a_file_is_replaced_and_not_what_a_link_leads_to(notes: Path, tmp_path: Path) -> None:
    (tmp_path / ".labels.jsonl.new").symlink_to(notes)
    with pytest.raises(StoreError, match="a symbolic link"):
        replace_file(tmp_path / "labels.jsonl", [b"x\n"])
    assert notes.read_text() == "one\ntwo without an end"


def test_a_link_on_the_way_is_seen(tmp_path: Path) -> None:
    (tmp_path / "root" / "run").mkdir(parents=True)
    (tmp_path / "root" / "run" / "trees").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="trees: a symbolic link"):
        check_place(tmp_path / "root", tmp_path / "root" / "run" / "trees" / "a.jsonl")
    with pytest.raises(StoreError, match="trees: a symbolic link"):
        check_tree(tmp_path / "root", tmp_path / "root" / "run")
    fine = tmp_path / "root" / "run" / "labels" / "a.jsonl"
    assert check_place(tmp_path / "root", fine) == fine


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "run").mkdir(parents=True)
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    check_tree(tmp_path / "root", tmp_path / "root" / "run")


@pytest.mark.parametrize("path", ["", ".", "/", "/etc", "..", "a/../../b", "checkpoints/..", "a\0b"])
def test_paths_that_lead_out(path: str) -> None:
    assert leads_out(path)


@pytest.mark.parametrize("path", ["checkpoints/0/policy", "a", "..a/b..", "./a"])
def test_paths_that_stay(path: str) -> None:
    assert not leads_out(path)


def test_a_writer_touches_nothing_of_a_run_with_a_link(notes: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    with open_run(root) as writer:
        fill(writer)
    (root / "runs" / "first" / "labels" / "more").symlink_to(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with pytest.raises(StoreError, match="more: a symbolic link"):
        open_run(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert [line for line in check(root) if "symbolic link" in line]


def test_an_index_that_is_a_link_is_not_rebuilt(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with open_run(root) as writer:
        fill(writer)
    (root / "index.db").rename(tmp_path / "mine.db")
    (root / "index.db").symlink_to(tmp_path / "mine.db")
    before = (tmp_path / "mine.db").read_bytes()
    with pytest.raises(StoreError, match=r"index.db: a symbolic link"):
        rebuild(root)
    with pytest.raises(StoreError, match=r"index.db: a symbolic link"), StoreReader(root) as reader:
        reader.runs()
    assert (tmp_path / "mine.db").read_bytes() == before


def test_a_tree_is_not_read_through_a_link(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with open_run(root) as writer:
        fill(writer)
    trees = root / "runs" / "first" / "trees"
    trees.rename(tmp_path / "trees")
    trees.symlink_to(tmp_path / "trees")
    with pytest.raises(StoreError, match="trees: a symbolic link"), StoreReader(root) as reader:
        reader.record("first", f"{PHASE}/0")
