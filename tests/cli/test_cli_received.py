"""A store that somebody else has made: no command reads, writes, cuts or deletes anything outside of it."""

from __future__ import annotations

import shutil
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
    "show checkpoint": ("show", "first/1/policy"),
    "show checkpoint --json": ("show", "first/1/policy", "--json", "--trees"),
    "compare": ("compare", "first"),
    "compare --json": ("compare", "first", "--json"),
    "export traces": ("export", "samples", "first", "--kind", "traces", "--format", "unpaired-preference"),
    "export steps": ("export", "samples", "first", "--kind", "value", "--format", "stepwise"),
    "iterate --dry-run": ("iterate", "tiny", "--run", "first", "--dry-run"),
    "export tree": ("export", "tree", f"first/{PHASE}/0"),
    "export samples": ("export", "samples", "first", "--kind", "policy"),
    "label": ("label", "first"),
    "eval": ("eval", "first", "--method", "greedy"),
    "iterate": ("iterate", "tiny", "--run", "first", "-o", "seed=99"),
    "store check": ("store", "check"),
    "store check --json": ("store", "check", "--json"),
    "store rebuild": ("store", "rebuild"),
}

TOLD = (
    "a symbolic link", "a pipe", "a device", "leads out", "not JSON", "not whole", "missing", "use letters",
    "cannot be read",
)  # fmt: skip


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without anything odd; nobody changes it."""
    root = tmp_path_factory.mktemp("sound") / "store"
    build_store(root, recipe_toml(load_recipe("tiny")))
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may change."""
    copy = tmp_path / "store"
    shutil.copytree(sound, copy)
    return copy


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


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("hostility", HOSTILE)
def test_no_command_leaves_the_store(
    hostility: str, command: str, root: Path, outside: Path, call: Call
) -> None:
    HOSTILE[hostility](root, outside)
    before = state_of(outside)
    code, said = call(*COMMANDS[command], "--root", str(root))
    assert code in (0, 1, 2)
    assert "internal error" not in said
    assert SECRET not in said
    assert all(character.isprintable() or character == "\n" for character in said)
    assert state_of(outside) == before


@pytest.mark.parametrize("hostility", HOSTILE)
def test_the_check_names_what_is_wrong(hostility: str, root: Path, outside: Path, call: Call) -> None:
    HOSTILE[hostility](root, outside)
    code, said = call("store", "check", "--root", str(root))
    assert code == 1
    assert any(word in said for word in TOLD)


@pytest.mark.parametrize("hostility", HOSTILE)
async def test_no_screen_leaves_the_store(hostility: str, root: Path, outside: Path, in_time: None) -> None:
    HOSTILE[hostility](root, outside)
    before = state_of(outside)
    with StoreReader(root) as reader:
        app = StoreApp(reader)
        async with app.run_test() as pilot:
            for key in ("enter", "enter", "enter", "end"):
                await pilot.press(key)
                await pilot.pause(0.05)
    assert state_of(outside) == before


def test_a_sound_store_passes_every_command(root: Path, call: Call) -> None:
    expected = {"eval": 2, "iterate": 2, "export samples": 2, "export steps": 2}
    assert call("store", "rebuild", "--root", str(root))[0] == 0
    for name, words in COMMANDS.items():
        code, said = call(*words, "--root", str(root))
        assert code == expected.get(name, 0), said


def test_a_run_whose_lines_lead_elsewhere_is_not_gone_on_with(root: Path, outside: Path, call: Call) -> None:
    HOSTILE["phases.jsonl is a link"](root, outside)
    code, said = call("label", "first", "--root", str(root))
    assert (code, "phases.jsonl: a symbolic link, which a store does not hold" in said) == (1, True)


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "link").symlink_to(root)
    for words in (("label", "first"), ("store", "rebuild"), ("store", "check")):
        assert call(*words, "--root", str(tmp_path / "link"))[0] == 0
