"""Model folders: on the disk before they count, replaced in one step, and nobody else's folder is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store.errors import InputError, StoreError
from store.files.atomic import writing
from store.files.exchange import exchange as exchange_names
from store.files.folders import (
    MARKER,
    check_target,
    find_whole,
    leftovers,
    model_files,
    new_folder,
    remove_folder,
)
from tests.support.disk import FaultyDisk, ForgetfulDisk, Killed, needs_proc


def write(target: Path, text: str) -> None:
    with new_folder(target) as folder, writing(target):
        (folder / "config.json").write_text(text)
        (folder / "more").mkdir()
        (folder / "more" / "weights").write_text(text * 1000)


def read(target: Path) -> tuple[str, str]:
    return (target / "config.json").read_text(), (target / "more" / "weights").read_text()


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture(params=[True, False], ids=["exchange", "two renames"])
def exchange(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_folder_is_written_and_replaced(tmp_path: Path, exchange: bool) -> None:
    target = tmp_path / "models" / "new"
    with FaultyDisk().mounted(exchange=exchange):
        write(target, "a")
        assert sorted(model_files(target)) == ["config.json", "more/weights", MARKER]
        write(target, "b")
    assert read(target) == ("b", "b" * 1000)
    assert names(target.parent) == ["new"]


def test_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write(tmp_path / "new", "a")
    assert read(tmp_path / "new")[0] == "a"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "new"
    write(target, "a")
    with pytest.raises(ZeroDivisionError), new_folder(target) as folder:
        (folder / "config.json").write_text("b")
        raise ZeroDivisionError
    assert read(target)[0] == "a"
    assert names(tmp_path) == ["new"]


def test_a_kill_at_any_call_leaves_the_old_folder_or_the_new(tmp_path: Path, exchange: bool) -> None:
    counted = FaultyDisk()
    write(tmp_path / "counted" / "new", "a")
    with counted.mounted(exchange=exchange):
        write(tmp_path / "counted" / "new", "b")
    assert counted.count > 20
    for place in range(counted.count):
        target = tmp_path / str(place) / "new"
        write(target, "a")
        with pytest.raises(Killed), FaultyDisk(place).mounted(exchange=exchange):
            write(target, "b")
        if exchange or target.exists():
            assert read(target) in {("a", "a" * 1000), ("b", "b" * 1000)}
        left = list(leftovers(target.parent))
        assert bool(left) == (len(names(target.parent)) > 1)
        with pytest.raises(ZeroDivisionError), new_folder(target):
            raise ZeroDivisionError
        assert read(target) in {("a", "a" * 1000), ("b", "b" * 1000)}
        assert names(target.parent) == ["new"]


def test_an_error_at_any_call_is_told_or_leaves_nothing(tmp_path: Path, exchange: bool) -> None:
    counted = FaultyDisk()
    write(tmp_path / "counted" / "new", "a")
    with counted.mounted(exchange=exchange):
        write(tmp_path / "counted" / "new", "b")
    for place in range(counted.count):
        target = tmp_path / str(place) / "new"
        write(target, "a")
        try:
            with FaultyDisk(place, "error").mounted(exchange=exchange):
                write(target, "b")
        except StoreError as error:
            assert "Input/output error" in str(error)
            continue
        assert names(target.parent) == ["new"]
        assert read(target)[0] == "b"


@needs_proc
def test_a_power_failure_at_any_moment_leaves_the_old_folder_or_the_new(tmp_path: Path) -> None:
    disk = ForgetfulDisk(tmp_path / "disk")
    disk.root.mkdir()
    disk.moments = {place: [(tmp_path / f"left-{place}", None)] for place in range(60)}
    told = []
    with disk.mounted():
        for text in "ab":
            write(disk.root / "models" / "new", text)
            told.append(disk.count)
    assert told[0] > 5 and told[1] < 60
    for place in range(disk.count):
        target = tmp_path / f"left-{place}" / "models" / "new"
        if place >= told[0]:
            assert read(target) in {("a", "a" * 1000), ("b", "b" * 1000)}
        elif target.exists():
            assert read(target) == ("a", "a" * 1000)
    assert read(tmp_path / f"left-{told[1]}" / "models" / "new") == ("b", "b" * 1000)


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with new_folder(tmp_path / "new") as folder:
            (folder / "weights").write_text("x")
            (folder / "weights").chmod(0o600)
    finally:
        os.umask(before)
    found = {
        path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "new", *(tmp_path / "new").iterdir()]
    }
    assert found == {"new": 0o750, "weights": 0o640, MARKER: 0o640}


def foreign(folder: Path) -> Path:
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.doc").write_text("x")
    return folder / "mine"


def marked(folder: Path) -> Path:
    write(folder / "mine", "a")
    (folder / "mine" / "more" / "thesis.doc").write_text("x")
    return folder / "mine"


def link(folder: Path) -> Path:
    (folder / "mine").symlink_to(folder / "elsewhere")
    return folder / "mine"


def file(folder: Path) -> Path:
    (folder / "mine").write_text("x")
    return folder / "mine"


def below_a_file(folder: Path) -> Path:
    return file(folder) / "new"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, r"holds what restmcts did not write \(thesis.doc\)"),
        (marked, r"holds what restmcts did not write \(more/thesis.doc\)"),
        (link, "is a symbolic link"),
        (file, "is a file"),
        (below_a_file, "mine is a file"),
        (lambda folder: Path(), "name a new folder"),
        (lambda folder: Path("/"), "name a new folder"),
        (lambda folder: Path(".."), "name a new folder"),
        (lambda folder: Path.cwd(), "the working folder lies in it"),
        (lambda folder: Path.cwd().parent, "the working folder lies in it"),
        (lambda folder: Path("/proc/new"), "cannot"),
    ],
)
def test_what_must_not_be_replaced(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    target = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((InputError, StoreError), match=message), new_folder(target):
        pytest.fail("work was begun")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_source_and_its_relatives_are_no_target(tmp_path: Path) -> None:
    source = tmp_path / "models" / "source"
    write(source, "a")
    (tmp_path / "link").symlink_to(tmp_path / "models")
    for target in (source, source / "new", tmp_path / "models", tmp_path / "link" / "source"):
        with pytest.raises(InputError, match=r"is the folder of the model|did not write"):
            check_target(target, source)
    check_target(tmp_path / "models" / "other", source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        check_target(tmp_path / "new")


HOLDER = """
import pathlib, sys
from store.files.folders import new_folder
with new_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "config.json").write_text("first")
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "new"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(StoreError, match="new is being written by another process"), new_folder(target):
            pytest.fail("two are writing")
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait() == 0
    assert (target / "config.json").read_text() == "first"
    assert names(tmp_path) == ["new"]


def test_the_lock_of_a_killed_writer_does_not_last(tmp_path: Path) -> None:
    target = tmp_path / "new"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        process.wait()
    assert len(list(leftovers(tmp_path))) == 2
    write(target, "b")
    assert names(tmp_path) == ["new"]


def test_this_file_system_can_exchange_two_names(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    if not exchange_names(tmp_path / "a", tmp_path / "b"):
        pytest.skip("it cannot")
    assert [(tmp_path / name / "file").read_text() for name in "ab"] == ["b", "a"]
    with pytest.raises(FileNotFoundError):
        exchange_names(tmp_path / "a", tmp_path / "none")


def test_a_folder_is_whole_after_a_kill_at_any_call(tmp_path: Path, exchange: bool) -> None:
    """Also where the old folder had to make room first, and when what was written before is damaged later."""
    counted = FaultyDisk()
    write(tmp_path / "counted" / "new", "a")
    with counted.mounted(exchange=exchange):
        write(tmp_path / "counted" / "new", "b")
    for place in range(counted.count):
        target = tmp_path / str(place) / "new"
        write(target, "a")
        with pytest.raises(Killed), FaultyDisk(place).mounted(exchange=exchange):
            write(target, "b")
        assert find_whole(target)
        assert read(target)[0] in {"a", "b"}
        assert names(target.parent) == ["new"]
    (target / "more" / "weights").write_text("c" * 1000)
    assert not find_whole(target)
    assert not find_whole(tmp_path / "nowhere" / "new")


def test_a_removal_that_is_killed_at_any_call_can_be_done_again(tmp_path: Path) -> None:
    counted = FaultyDisk()
    write(tmp_path / "counted" / "new", "a")
    with counted.mounted():
        remove_folder(tmp_path / "counted" / "new")
    assert names(tmp_path / "counted") == []
    assert counted.count > 5
    for place in range(counted.count):
        target = tmp_path / str(place) / "new"
        write(target, "a")
        with pytest.raises(Killed), FaultyDisk(place).mounted():
            remove_folder(target)
        remove_folder(target)
        assert names(target.parent) == []
    remove_folder(tmp_path / "nowhere" / "new")


def test_a_folder_of_the_user_is_not_removed(tmp_path: Path) -> None:
    write(tmp_path / "new", "a")
    (tmp_path / "new" / "thesis.doc").write_text("mine")
    with pytest.raises(InputError, match="holds what restmcts did not write"):
        remove_folder(tmp_path / "new")
    assert read(tmp_path / "new")[0] == "a"
