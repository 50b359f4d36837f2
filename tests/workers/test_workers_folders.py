"""Model folders on other nodes: what differs is said, what is sent arrives, and nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.workers.cluster import folders
from restmcts.workers.cluster.folders import ModelFolder, compare, model_folder, read_blocks, unpack


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folders, "BLOCK", 5)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "more").mkdir(parents=True)
    (folder / "config.json").write_text('{"layers": 1}')
    (folder / "model.safetensors").write_bytes(bytes(range(23)))
    (folder / "more" / "empty.txt").write_text("")
    return folder


def sent(folder: ModelFolder) -> folders.Unpacked:
    blocks = list(read_blocks(folder))
    assert len(blocks) == folder.blocks
    return unpack(folder, [lambda block=block: block for block in blocks])  # type: ignore[misc]


def test_a_folder_arrives_and_goes_with_its_last_user(model: Path, tmp_path: Path) -> None:
    folder = model_folder(model)
    assert ModelFolder.from_row(folder.to_row()) == folder
    first, second = sent(folder), sent(folder)
    place = Path(first.folder.path)
    assert second.folder == first.folder
    assert place != model
    assert model_folder(place).files == folder.files
    first.close()
    assert (place / "model.safetensors").read_bytes() == bytes(range(23))
    second.close()
    assert not place.exists()


def test_what_a_killed_process_has_left_is_removed_by_the_next(model: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys, tempfile\n"
        "from tests.workers.test_workers_folders import sent, model_folder, Path\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        f"print(sent(model_folder(Path({str(model)!r}))).folder.path, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    script = "from restmcts.workers.cluster import folders\nfolders.BLOCK = 5\n" + code
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    left = Path(done.stdout.strip())
    assert left.exists()
    (model / "config.json").write_text('{"layers": 2}')
    other = sent(model_folder(model))
    assert not left.exists()
    other.close()


def test_a_folder_that_was_written_in_part_is_written_anew(model: Path) -> None:
    folder = model_folder(model)
    unpacked = sent(folder)
    place = Path(unpacked.folder.path)
    blocks = list(read_blocks(folder))
    unpacked.close()
    place.mkdir()
    (place / "config.json").write_text("half")
    again = unpack(folder, [lambda block=block: block for block in blocks])  # type: ignore[misc]
    assert model_folder(place).files == folder.files
    again.close()


def test_other_bytes_on_the_way_are_noticed(model: Path) -> None:
    folder = model_folder(model)
    blocks = [bytes(len(block)) for block in read_blocks(folder)]
    with pytest.raises(InputError, match=r"other content in the same 13 bytes"):
        unpack(folder, [lambda block=block: block for block in blocks])  # type: ignore[misc]


def test_a_folder_that_is_not_there_or_another_one(model: Path) -> None:
    folder = model_folder(model)
    compare(folder)
    (model / "model.safetensors").write_bytes(bytes(22))
    with pytest.raises(
        InputError, match=r"model\.safetensors: 22 bytes instead of 23, compared with the node"
    ):
        compare(folder)
    (model / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: is missing"):
        compare(folder)
    model.rename(model.with_name("gone"))
    with pytest.raises(InputError, match=r"model: no such folder here; share the disk among all nodes"):
        compare(folder)


def test_a_name_that_leads_out_is_refused(model: Path) -> None:
    folder = model_folder(model)
    files = {"../out.json": folder.files["config.json"]}
    bad = ModelFolder(folder.path, files)
    with pytest.raises(InputError, match="leads out of the folder of the model"):
        unpack(bad, [lambda: b"12345"] * 3)
