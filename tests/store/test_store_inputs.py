"""A run notes what it reads from outside, and does not go on with something else."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from store.errors import InputError, StoreError
from store.files import inputs
from store.files.folders import MARKER, new_folder
from store.files.inputs import ITSELF, from_rows, look_at, to_rows
from store.files.journal import read_journal
from store.files.layout import RunLayout
from store.index.reader import StoreReader
from tests.store.build import fill, open_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    path.write_text('{"problem": "1 + 1"}\n{"problem": "1 + 2"}\n')
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "README.md").write_text("a model")
    return folder


def test_the_same_input_is_noted_once(problems: Path, model: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with open_run(tmp_path / "store") as writer:
            writer.note_input(problems)
            writer.note_input(model)
    layout = RunLayout(tmp_path / "store", "first")
    noted = read_journal(layout).inputs
    assert noted[str(problems)][ITSELF].fingerprint.lines == 2
    assert set(noted[str(model)]) == {"config.json", "model.safetensors"}
    assert layout.phases.read_text().count('"inputs"') == 2


def test_other_problems_are_refused_with_the_difference(problems: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "store") as writer:
        writer.note_input(problems)
    problems.write_text('{"problem": "1 + 3"}\n')
    with open_run(tmp_path / "store") as writer, pytest.raises(InputError) as caught:
        writer.note_input(problems)
    assert str(problems) in str(caught.value)
    assert "1 lines instead of 2" in str(caught.value)
    assert "SHA-256" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"Weights"),
            "other content in the same 7",
        ),
        (lambda folder: (folder / "config.json").unlink(), "config.json is gone"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json is new"),
    ],
)
def test_another_model_is_refused_with_the_difference(
    model: Path, tmp_path: Path, change: object, told: str
) -> None:
    assert callable(change)
    with open_run(tmp_path / "store") as writer:
        writer.note_input(model)
    change(model)
    with open_run(tmp_path / "store") as writer, pytest.raises(InputError, match=told):
        writer.note_input(model)


def test_a_copy_and_a_changed_description_are_the_same_model(model: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "store") as writer:
        writer.note_input(model)
    shutil.copytree(model, tmp_path / "copy")
    shutil.rmtree(model)
    (tmp_path / "copy").rename(model)
    (model / "README.md").write_text("the same model")
    with open_run(tmp_path / "store") as writer:
        writer.note_input(model)


def test_files_that_are_untouched_are_not_read_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = look_at(model, {})

    def read(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(inputs, "_read", read)
    assert look_at(model, from_rows(to_rows(known))) == known
    os.utime(model / "config.json", ns=(1, 1))
    with pytest.raises(AssertionError):
        look_at(model, known)


def test_a_pipe_is_no_model(model: Path) -> None:
    os.mkfifo(model / "tokenizer.json")
    with pytest.raises(InputError, match="no regular file"):
        look_at(model, {})
    with pytest.raises(InputError, match="cannot read"):
        look_at(model / "missing", {})


def test_a_run_without_such_lines_can_be_gone_on_with(problems: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "store") as writer:
        fill(writer)
    with open_run(tmp_path / "store") as writer:
        writer.note_input(problems)
    with StoreReader(tmp_path / "store") as reader:
        assert [run.name for run in reader.runs()] == ["first"]


@pytest.mark.parametrize("files", ["[]", '{"a": 1}', '{"a": {"bytes": 1, "sha256": "0"}}'])
def test_lines_that_make_no_sense_are_named(files: str, tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        path = writer.layout.phases
    with path.open("a") as file:
        file.write(f'{{"format": 1, "event": "inputs", "time": "", "path": "a", "files": {files}}}\n')
    with pytest.raises(StoreError, match=r"phases.jsonl:2"):
        open_run(tmp_path)


@pytest.mark.parametrize("data", [b"weightt", b"weights and more", None])
def test_a_checkpoint_with_other_weights_is_refused(tmp_path: Path, data: bytes | None) -> None:
    target = tmp_path / "model"
    with new_folder(target) as folder:
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")
    (target / "config.json").write_text('{"mine": true}')  # settings may be changed by hand
    weights = target / "model.safetensors"
    with open_run(tmp_path / "store", "sound") as writer:
        writer.note_input(target)
    if data is None:
        weights.unlink()
    else:
        weights.write_bytes(data)
    with (
        open_run(tmp_path / "store", "damaged") as writer,
        pytest.raises(InputError, match=r"model\.safetensors: not the weights .* delete restmcts-checkpoint"),
    ):
        writer.note_input(target)
    (target / MARKER).unlink()
    with open_run(tmp_path / "store", "mine") as writer:
        writer.note_input(target)
