"""A store that somebody else has made: no command reads, writes, cuts or deletes anything outside of it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from restmcts.cli.app import run
from restmcts.recipe import load_recipe, recipe_toml
from store.index.reader import StoreReader
from tests.cli.hostile_stores import HOSTILE, SECRET, build_outside, build_store, state_of
from tests.store.build import PHASE
from tui.app import StoreApp

COMMANDS: dict[str, tuple[str, ...]] = {
    "runs": ("runs",),
    "runs --json": ("runs", "--json"),
    "show": ("show", "first"),
    "show tree": ("show", f"first/{PHASE}/0"),
    "export tree": ("export", "tree", f"first/{PHASE}/0"),
    "export samples": ("export", "samples", "first", "--kind", "policy"),
    "label": ("label", "first"),
    "eval": ("eval", "first", "--method", "greedy"),
    "iterate": ("iterate", "tiny", "--run", "first", "-o", "seed=99"),
    "store check": ("store", "check"),
    "store check --json": ("store", "check", "--json"),
    "store rebuild": ("store", "rebuild"),
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    build_outside(folder)
    return folder


@pytest.fixture
def in_time() -> Iterator[None]:
    """A command that waits for a pipe fails its test instead of keeping it."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_time: None) -> Call:
    """Runs a command in this process; gives its exit code and all that it says."""

    def command(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["restmcts", *words])
        code = run()
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


def received(root: Path, outside: Path, hostility: str) -> None:
    build_store(root, recipe_toml(load_recipe("tiny")))
    HOSTILE[hostility](root, outside)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("hostility", HOSTILE)
def test_no_command_leaves_the_store(
    hostility: str, command: str, tmp_path: Path, outside: Path, call: Call
) -> None:
    root = tmp_path / "store"
    received(root, outside, hostility)
    before = state_of(outside)
    code, said = call(*COMMANDS[command], "--root", str(root))
    assert code in (0, 1, 2)
    assert "internal error" not in said
    assert SECRET not in said
    assert all(character.isprintable() or character == "\n" for character in said)
    assert state_of(outside) == before


@pytest.mark.parametrize("hostility", HOSTILE)
def test_the_check_names_what_is_wrong(hostility: str, tmp_path: Path, outside: Path, call: Call) -> None:
    root = tmp_path / "store"
    received(root, outside, hostility)
    code, said = call("store", "check", "--root", str(root))
    assert code == 1
    assert any(
        word in said
        for word in (
            "a symbolic link",
            "a pipe",
            "a device",
            "leads out",
            "not JSON",
            "missing",
            "cannot be read",
        )
    )


@pytest.mark.parametrize("hostility", HOSTILE)
async def test_no_screen_leaves_the_store(
    hostility: str, tmp_path: Path, outside: Path, in_time: None
) -> None:
    root = tmp_path / "store"
    received(root, outside, hostility)
    before = state_of(outside)
    with StoreReader(root) as reader:
        app = StoreApp(reader)
        async with app.run_test() as pilot:
            for key in ("enter", "enter", "enter", "end"):
                await pilot.press(key)
                await pilot.pause(0.05)
    assert state_of(outside) == before


def test_a_sound_store_passes_every_command(tmp_path: Path, call: Call) -> None:
    root = tmp_path / "store"
    build_store(root, recipe_toml(load_recipe("tiny")))
    expected = {"eval": 2, "iterate": 2, "export samples": 2}
    for name, words in COMMANDS.items():
        code, said = call(*words, "--root", str(root))
        assert code == expected.get(name, 0), said


def test_a_run_whose_lines_lead_elsewhere_is_not_gone_on_with(
    tmp_path: Path, outside: Path, call: Call
) -> None:
    root = tmp_path / "store"
    received(root, outside, "phases.jsonl is a link")
    code, said = call("label", "first", "--root", str(root))
    assert (code, "phases.jsonl: a symbolic link, which a store does not hold" in said) == (1, True)


def test_the_root_itself_may_be_a_link(tmp_path: Path, call: Call) -> None:
    build_store(tmp_path / "disk", recipe_toml(load_recipe("tiny")))
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    assert call("label", "first", "--root", str(tmp_path / "store"))[0] == 0
    assert call("store", "check", "--root", str(tmp_path / "store"))[0] == 0
