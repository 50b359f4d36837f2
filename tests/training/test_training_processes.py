"""Several processes that train a model together learn what one learns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import orjson
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from restmcts.engines.loading import load_policy, load_value_model
from restmcts.errors import InputError, PhaseError, RestmctsError
from restmcts.training.batches import Batches, Example, deal, plan
from restmcts.training.group import ALONE, Group
from restmcts.training.launching import MEMBER, outcome
from restmcts.training.policy import train_policy
from restmcts.training.preference import train_preferences
from restmcts.training.report import TrainingProgress
from restmcts.training.settings import PolicyTraining, PreferenceTraining, ProcessSettings
from tests.training import interrupted
from tests.training.interrupted import UPDATES, Kind, train_until_killed
from tests.training.together import SETTINGS, STRATEGIES, train
from tests.training.training_models import preferred_sums, sums, write_policy

TWO = ProcessSettings(processes=2)
MEMBER_OF_TWO = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "1",
}


@given(
    samples=st.integers(1, 60),
    size=st.integers(1, 5),
    accumulation=st.integers(1, 4),
    processes=st.integers(1, 5),
)
def test_updates_keep_their_samples(samples: int, size: int, accumulation: int, processes: int) -> None:
    settings = PolicyTraining(epochs=1.5, batch_size=size, gradient_accumulation=accumulation)
    batches = plan(samples, settings)
    if len(batches) > accumulation and size * accumulation < processes:
        with pytest.raises(InputError, match="raise batch_size or gradient_accumulation"):
            deal(batches, accumulation, processes)
        return
    dealt, together = deal(batches, accumulation, processes)
    assert together % processes == len(dealt) % processes == 0
    assert max(map(len, dealt)) <= size
    assert together < max(accumulation, processes) + processes
    assert _by_update(dealt, together) == _by_update(batches, accumulation)
    if accumulation % processes == 0:
        full = len(batches) // accumulation * accumulation
        assert dealt[:full] == batches[:full]


def _by_update(batches: list[list[int]], accumulation: int) -> list[list[int]]:
    starts = range(0, len(batches), accumulation)
    return [[*chain.from_iterable(batches[start : start + accumulation])] for start in starts]


def test_one_process_has_the_plan_itself() -> None:
    batches = plan(20, PolicyTraining(batch_size=3, gradient_accumulation=2))
    assert deal(batches, 2, 1) == (batches, 2)


def test_batches_that_must_not_be_cut_are_dealt_out_whole() -> None:
    batches = [[0, 1], [2, 3], [4, 5], [6, 7], [8]]
    assert deal(batches, 4, 2, uncut=True) == ([*batches, []], 4)
    with pytest.raises(InputError, match="gradient_accumulation to a multiple of processes"):
        deal(batches, 3, 2, uncut=True)


def test_an_empty_batch_adds_nothing() -> None:
    data = Batches([Example((1, 2), (0.5, 0.5))], [[0], []], 2, torch.float32)
    assert data[0]["count"].item() == 2
    assert (torch.tensor(3.0) / data[1]["count"]).item() == 0


def test_what_a_process_is_comes_from_its_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Group.here(TWO) is ALONE
    assert ALONE.starts(TWO) and not ALONE.sharded
    for name, value in MEMBER_OF_TWO.items():
        monkeypatch.setenv(name, value)
    group = Group.here(ProcessSettings(processes=2, strategy="fsdp2"))
    assert group == Group(1, 2, "fsdp2", alone=False)
    assert not group.leads and group.sharded and not group.starts(TWO)
    with pytest.raises(InputError, match="processes is 3, but the launcher has started 2"):
        Group.here(ProcessSettings(processes=3))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(InputError, match="--strategy fsdp2"):
        Group.here(TWO)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a policy, and what two processes have made of it in all trainings."""
    folder = tmp_path_factory.mktemp("together")
    write_policy(folder / "policy")
    launcher = ["torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
    ended = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "tests.training.together", str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_learn_what_one_learns(name: str, trained: Path, tmp_path: Path) -> None:
    alone = train(name, trained, tmp_path / "alone")
    for strategy in STRATEGIES:
        report = orjson.loads((trained / f"{name}-{strategy}.json").read_bytes())
        assert [step for step, _ in report["curve"]] == [step for step, _ in alone.curve]
        assert _losses(report["curve"]) == pytest.approx(_losses(alone.curve), abs=1e-5)
        assert report["samples"] == alone.samples and report["tokens"] == alone.tokens
        assert report["metrics"] == pytest.approx(alone.metrics, abs=1e-2)
        assert _distance(trained / f"{name}-{strategy}", tmp_path / "alone") < 1e-4


def _losses(curve: Iterable[Sequence[float]]) -> list[float]:
    return [loss for _, loss in curve]


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.glob("*model.safetensors")
    return load_file(path)


def _distance(one: Path, other: Path) -> float:
    """How far weights of two folders are apart at most, which have the same names and shapes."""
    first, second = _weights(one), _weights(other)
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_they_write_is_an_ordinary_folder(strategy: str, trained: Path) -> None:
    for name, load in (("policy", load_policy), ("adapter", load_policy), ("value", load_value_model)):
        folder = trained / f"{name}-{strategy}"
        assert load(folder)[0].dtype == torch.float32
    whole = {path.name for path in (trained / "policy-ddp").iterdir()}
    assert {path.name for path in (trained / "policy-fsdp2").iterdir()} == whole
    assert not [path for path in trained.iterdir() if path.name.startswith(".")]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_policy(tmp_path_factory.mktemp("models") / "policy")


def members(word: str) -> list[psutil.Process]:
    """The processes that have been started to train together, by a word of their command."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or ()
        if MEMBER in words and any(word in one for one in words) and "torch.distributed.run" not in words:
            found.append(process)
    return found


def test_processes_that_are_killed_go_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may end one of them; the state is that of one process, which could go on with it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    target, resume = tmp_path / "new", tmp_path / "new.training"
    started: list[psutil.Process] = []

    def kill(progress: TrainingProgress) -> None:
        if progress.step == UPDATES // 3:
            started.extend(members(str(tmp_path)))
            for process in started:
                process.kill()

    with pytest.raises(RestmctsError, match=r"a process was ended by SIGKILL.*a smaller batch_size"):
        interrupted.train("policy", source, target, resume, progress=kill, processes=TWO)
    assert len(started) == 2
    assert {path.name for path in resume.iterdir()} >= {"weights.safetensors", "optimizer.pt"}
    _goes_on("policy", source, target, resume, TWO)


def test_processes_end_with_the_one_that_has_started_them(source: Path, tmp_path: Path) -> None:
    target, resume = tmp_path / "new", tmp_path / "new.training"
    place = f"update:{UPDATES // 3}"
    train_until_killed("value", source, target, resume, place, "fsdp2", TMPDIR=str(tmp_path))
    _, alive = psutil.wait_procs(members(str(tmp_path)), timeout=60)
    assert not alive
    assert sorted(path.suffix for path in (resume / "shares").iterdir()) == [".safetensors"] * 2
    assert not [path for path in resume.rglob("*") if path.name.startswith("optimizer")]
    _goes_on("value", source, target, resume, ProcessSettings(processes=2, strategy="fsdp2"))


def _goes_on(kind: Kind, source: Path, target: Path, resume: Path, processes: ProcessSettings) -> None:
    """Ends a training that was interrupted at a third as one process would that was not."""
    told: list[TrainingProgress] = []
    report = interrupted.train(kind, source, target, resume, progress=told.append, processes=processes)
    whole = interrupted.train(kind, source, target.with_name("whole"), None)
    assert [tell.step for tell in told] == list(range(1, UPDATES + 1))
    before = [tell.step for tell in told if not tell.tokens_per_second]
    assert before[:2] == [1, 2] and len(before) < UPDATES
    assert _losses(report.curve) == pytest.approx(_losses(whole.curve), abs=1e-5)
    assert (report.updates, report.samples, report.tokens) == (whole.updates, whole.samples, whole.tokens)
    assert _distance(target, target.with_name("whole")) < 1e-4
    assert not resume.exists()


def test_what_processes_tell_becomes_the_error_that_says_most() -> None:
    lost = {"error": "connection closed by peer", "kind": "RuntimeError", "rank": 0}
    told = [lost, {"error": "the loss is nan", "kind": "PhaseError", "rank": 1}]
    with pytest.raises(PhaseError, match=r"^the loss is nan$"):
        outcome(told, "")
    with pytest.raises(RestmctsError, match="a process was ended by SIGKILL"):
        outcome([lost], "traceback : Signal 9 (SIGKILL) received by PID 7")
    with pytest.raises(RestmctsError, match="process 0 failed: RuntimeError: connection closed by peer"):
        outcome([lost], "")
    with pytest.raises(RestmctsError, match="could not be started: No module named torch"):
        outcome([], "Traceback\nNo module named torch\n")


def test_each_process_needs_a_gpu(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(InputError, match="processes is 2, but torch sees 1 GPUs"):
        train_policy(source, sums(4), PolicyTraining(), tmp_path / "new", device="cuda", processes=TWO)


def test_preferences_are_learned_in_one_process(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in MEMBER_OF_TWO.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="preferences are learned in one process"):
        train_preferences(source, preferred_sums(4), PreferenceTraining(), tmp_path / "new")
