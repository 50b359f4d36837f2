"""Where `restmcts train` writes: found out before the training, and nothing of the user is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from store.files.folders import new_folder
from tests.cli.commands import refused, restmcts


@pytest.fixture
def traces(store: Path) -> Path:
    return store / "runs" / "small" / "samples" / "1.select.jsonl"


def training(traces: Path, policy: Path, target: Path) -> tuple[object, ...]:
    return ("train", "policy", traces, "--from", policy, "--to", target, "-o", "updates=1")


def test_a_folder_of_the_user_is_left_alone(traces: Path, policy: Path, tmp_path: Path) -> None:
    for name, target in (("photos", tmp_path / "photos"), ("model", tmp_path / "model")):
        shutil.copytree(policy, target)
        (target / "thesis.doc").write_text(name)
        line = refused(*training(traces, policy, target))
        assert f"{target}: holds what restmcts did not write (thesis.doc)" in line
        assert (target / "thesis.doc").read_text() == name
    source = tmp_path / "model"
    (source / "thesis.doc").unlink()
    assert "is the folder of the model" in refused(*training(traces, source, source))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "is a symbolic link" in refused(*training(traces, policy, tmp_path / "link"))
    assert "is a file" in refused(*training(traces, policy, traces))
    for target in (Path(), Path("/"), Path.home()):
        assert f"{target}: " in refused(*training(traces, policy, target))


def test_a_folder_that_is_being_written_is_refused(traces: Path, policy: Path, tmp_path: Path) -> None:
    with new_folder(tmp_path / "new"):
        line = refused(*training(traces, policy, tmp_path / "new"), code=1)
    assert "new is being written by another process" in line


def test_a_file_without_a_last_newline_loses_no_sample(traces: Path, policy: Path, tmp_path: Path) -> None:
    whole = traces.read_bytes()
    path = tmp_path / "edited.jsonl"
    counts = []
    for data in (whole, whole[:-1]):
        path.write_bytes(data)
        done = restmcts(*training(path, policy, tmp_path / "new"), "-o", "batch_size=1000", "--json")
        counts.append(done.json()["samples"])
    assert counts == [whole.count(b"\n")] * 2
    path.write_bytes(whole[:-9])
    line = refused(*training(path, policy, tmp_path / "new"), code=1)
    assert f"edited.jsonl:{counts[0]}: not JSON" in line


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs the rights of root")
    return folder


def test_a_full_disk_is_said_in_one_line(tiny_disk: Path, traces: Path, policy: Path) -> None:
    try:
        line = refused(*training(traces, policy, tiny_disk / "new"), code=1)
        left = list(tiny_disk.iterdir())
    finally:
        subprocess.run(["umount", "-l", str(tiny_disk)], check=False)
    assert (
        f"cannot write {tiny_disk}/new: No space left on device; free some space, then start the same" in line
    )
    assert left == []
