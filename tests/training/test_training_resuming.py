"""Trainings that are killed go on, and end with the weights of those that were not."""

from __future__ import annotations

import pickletools
import resource
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from restmcts.errors import InputError
from restmcts.training.policy import train_policy
from restmcts.training.report import TrainingProgress
from restmcts.training.settings import PolicyTraining
from store.errors import StoreError
from store.files.folders import MARKER, leftovers, new_folder
from tests.training.interrupted import KINDS, UPDATES, Kind, train, train_until_killed
from tests.training.training_models import sums, write_policy

SETTINGS = PolicyTraining(learning_rate=1e-3, updates=4, batch_size=4, save_updates=1)


class Stopped(Exception):  # noqa: N818 - what a test raises is no error
    """A training that is interrupted in this process."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_policy(tmp_path_factory.mktemp("models") / "policy")


def weights(folder: Path) -> bytes:
    (path,) = folder.glob("*model.safetensors")
    return path.read_bytes()


def interrupted(source: Path, target: Path, resume: Path, at: int = 3, **changes: object) -> None:
    """A training of a policy that ends at an update, after the state of the update before was saved."""

    def stop(progress: TrainingProgress) -> None:
        if progress.step == at:
            raise Stopped

    settings = SETTINGS.model_copy(update=changes)
    with pytest.raises(Stopped):
        train_policy(source, sums(20), settings, target, progress=stop, device="cpu", resume=resume)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_ends_as_an_undisturbed_one(kind: Kind, source: Path, tmp_path: Path) -> None:
    whole = train(kind, source, tmp_path / "whole", None)
    resume, target = tmp_path / "state.training", tmp_path / "new"
    for place in (f"update:{UPDATES // 3}", f"update:{2 * UPDATES // 3}"):
        train_until_killed(kind, source, target, resume, place)
    told: list[TrainingProgress] = []
    report = train(kind, source, target, resume, progress=told.append)
    assert weights(target) == weights(tmp_path / "whole")
    assert replace(report, seconds=0.0) == replace(whole, seconds=0.0)
    assert [tell.step for tell in told] == list(range(1, UPDATES + 1))
    assert [tell.tokens_per_second > 0 for tell in told] == [False] * 5 + [True] * 4
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "new"}


def test_a_kill_in_the_middle_of_saving_leaves_the_state_before(source: Path, tmp_path: Path) -> None:
    """The state of an update is three files of torch; the process ends after two of those of the third."""
    whole = train("policy", source, tmp_path / "whole", None)
    resume = tmp_path / "state.training"
    train_until_killed("policy", source, tmp_path / "new", resume, "save:8")
    assert len(list(leftovers(tmp_path))) > 0
    told: list[TrainingProgress] = []
    report = train("policy", source, tmp_path / "new", resume, progress=told.append)
    assert [tell.step for tell in told if not tell.tokens_per_second] == [1, 2]
    assert weights(tmp_path / "new") == weights(tmp_path / "whole")
    assert report.curve == whole.curve
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "new"}


def test_a_state_holds_no_arguments_and_needs_no_unpickling(source: Path, tmp_path: Path) -> None:
    interrupted(source, tmp_path / "new", tmp_path / "state")
    names = {path.name for path in (tmp_path / "state").iterdir()}
    assert names == {
        "optimizer.pt",
        "restmcts-checkpoint.json",
        "rng_state.pth",
        "scheduler.pt",
        "trainer_state.json",
        "training.json",
        "weights.safetensors",
    }
    for name in ("optimizer.pt", "scheduler.pt"):
        torch.load(tmp_path / "state" / name, weights_only=True)
    with zipfile.ZipFile(tmp_path / "state" / "scheduler.pt") as file:
        data = next(name for name in file.namelist() if name.endswith("data.pkl"))
        assert "REDUCE" not in {operation.name for operation, *_ in pickletools.genops(file.read(data))}


@pytest.mark.parametrize("change", ["samples", "settings", "source", "version"])
def test_the_state_of_another_training_is_not_used(
    change: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume = tmp_path / "state"
    interrupted(source, tmp_path / "new", resume)
    settings, samples = SETTINGS, sums(20)
    if change == "samples":
        samples = sums(20, seed=9)
    elif change == "settings":
        settings = SETTINGS.model_copy(update={"learning_rate": 2e-3})
    elif change == "source":
        source = write_policy(tmp_path / "other", seed=7)
    else:
        monkeypatch.setattr("restmcts.__version__", "99.0")
    told: list[TrainingProgress] = []
    train_policy(
        source, samples, settings, tmp_path / "new", progress=told.append, device="cpu", resume=resume
    )
    train_policy(source, samples, settings, tmp_path / "fresh", device="cpu")
    assert all(tell.tokens_per_second > 0 for tell in told)
    assert weights(tmp_path / "new") == weights(tmp_path / "fresh")
    assert not resume.exists()


def test_how_often_a_state_is_saved_changes_nothing(source: Path, tmp_path: Path) -> None:
    resume = tmp_path / "state"
    interrupted(source, tmp_path / "new", resume)
    settings = SETTINGS.model_copy(update={"save_updates": None, "save_minutes": None})
    told: list[TrainingProgress] = []
    train_policy(
        source, sums(20), settings, tmp_path / "new", progress=told.append, device="cpu", resume=resume
    )
    assert [bool(tell.tokens_per_second) for tell in told] == [False, False, True, True]


def test_a_damaged_state_is_not_used(source: Path, tmp_path: Path) -> None:
    resume = tmp_path / "state"
    interrupted(source, tmp_path / "new", resume)
    data = bytearray((resume / "weights.safetensors").read_bytes())
    data[-3] ^= 1
    (resume / "weights.safetensors").write_bytes(data)
    told: list[TrainingProgress] = []
    train_policy(
        source, sums(20), SETTINGS, tmp_path / "new", progress=told.append, device="cpu", resume=resume
    )
    assert all(tell.tokens_per_second > 0 for tell in told)
    train_policy(source, sums(20), SETTINGS, tmp_path / "fresh", device="cpu")
    assert weights(tmp_path / "new") == weights(tmp_path / "fresh")


def test_weights_of_another_form_are_said(source: Path, tmp_path: Path) -> None:
    """A folder from somebody else can have the right key, and be whole, with any weights."""
    resume = tmp_path / "state"
    interrupted(source, tmp_path / "new", resume)
    found = load_file(resume / "weights.safetensors")
    name = sorted(found)[0]
    with new_folder(resume) as folder:
        for path in resume.iterdir():
            if path.name != MARKER:
                shutil.copy(path, folder)
        save_file(found | {name: found[name][:1]}, folder / "weights.safetensors")
    with pytest.raises(StoreError, match=f"{name} .*; delete this folder"):
        train_policy(source, sums(20), SETTINGS, tmp_path / "new", device="cpu", resume=resume)


def test_minutes_are_counted_from_the_state_before(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock that goes a minute at each look, a state is saved in every second update at the latest."""
    minutes = iter(range(1000))
    monkeypatch.setattr("restmcts.training.resuming.monotonic", lambda: 60.0 * next(minutes))
    interrupted(source, tmp_path / "new", tmp_path / "state", save_updates=None, save_minutes=2)
    assert (tmp_path / "state" / "weights.safetensors").is_file()


def test_a_folder_of_somebody_else_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "thesis.doc").write_text("mine")
    with pytest.raises(InputError, match=r"holds what restmcts did not write \(thesis.doc\)"):
        train_policy(source, sums(20), SETTINGS, tmp_path / "new", device="cpu", resume=tmp_path / "state")
    assert (tmp_path / "state" / "thesis.doc").read_text() == "mine"


def test_a_state_that_cannot_be_written_is_said_and_the_state_before_stays(
    source: Path, tmp_path: Path
) -> None:
    """Weights can be written, the state of the optimizer, which is twice as large, cannot."""
    resume = tmp_path / "state"
    interrupted(source, tmp_path / "new", resume)
    before = (resume / "weights.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) * 3 // 2, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot write .*state, the state of the training: free"):
            train_policy(source, sums(20), SETTINGS, tmp_path / "new", device="cpu", resume=resume)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (resume / "weights.safetensors").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"state"}
