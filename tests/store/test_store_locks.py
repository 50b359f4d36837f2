"""Locks: on files that are open for writing, and what is said where there are none."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from store.errors import BusyError, StoreError
from store.files.lock import RunLock, exclusive, is_locked
from tests.store.build import fill, open_run

flock = fcntl.flock


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"writer\.lock: its file system has no file locks.*local disk"):
        open_run(tmp_path)
    assert not is_locked(tmp_path / "runs/first")


def test_a_network_file_system_locks_what_is_open_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS has it: an exclusive lock needs a descriptor for writing, and folders have none."""

    def lock(descriptor: int, how: int) -> None:
        writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR)
        if how & fcntl.LOCK_EX and not writable:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock)
    with open_run(tmp_path) as writer:
        fill(writer)
        assert is_locked(writer.layout.folder)
        with pytest.raises(StoreError, match="being written by process"):
            open_run(tmp_path)
    assert not is_locked(tmp_path / "runs/first")


def test_the_version_before_and_this_one_keep_each_other_out(tmp_path: Path) -> None:
    """The version before locked the folder for a moment, and the file of the run for as long as it wrote."""
    with (tmp_path / "writer.lock").open("w") as file:
        file.write("123\n")
        file.flush()
        folder = os.open(tmp_path, os.O_RDONLY)
        flock(folder, fcntl.LOCK_EX)
        flock(file, fcntl.LOCK_EX)
        os.close(folder)
        assert is_locked(tmp_path)
        with pytest.raises(StoreError, match="being written by process 123"):
            RunLock.take(tmp_path)
    lock = RunLock.take(tmp_path)
    with (tmp_path / "writer.lock").open("r+") as file, pytest.raises(BlockingIOError):
        flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.release()


def test_a_lock_is_waited_for_as_long_as_wanted(tmp_path: Path) -> None:
    path = tmp_path / "index.db.lock"
    with exclusive(path, 0), pytest.raises(BusyError, match="another restmcts holds"), exclusive(path, 0.05):
        raise AssertionError("two hold the lock")
    with exclusive(path, 0):
        pass
