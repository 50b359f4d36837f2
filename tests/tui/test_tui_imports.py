"""Looking at a store costs no model library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tui
from store.errors import InputError
from tui.app import StoreApp
from tui.screens.runs import RunsScreen

ROOT = Path(__file__).parents[2]


def loaded(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_is_cheap() -> None:
    assert not loaded("import tui") & {"textual", "rich", "torch", "transformers", "restmcts", "sqlite_utils"}


def test_the_application_loads_no_model_library() -> None:
    modules = loaded("import tui.app")
    assert "textual" in modules
    assert not modules & {"torch", "transformers", "restmcts", "numpy", "sqlite_utils", "plotext"}


def test_the_command_opens_the_screens_without_what_writes_an_index(demo: Path) -> None:
    modules = loaded(
        "import tui.app; from restmcts.cli.stores import make_ready; from pathlib import Path;"
        f" make_ready(Path({str(demo)!r}))"
    )
    assert not modules & {"torch", "transformers", "numpy", "pandas", "sqlite_utils"}


def test_a_missing_store_is_refused_before_anything_opens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        tui.run(tmp_path / "nowhere")


def test_a_breakdown_has_another_exit_code(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: RunsScreen) -> None:
        raise IndexError("a column that is not there")

    start = StoreApp.run
    monkeypatch.setattr(RunsScreen, "on_mount", broken)
    monkeypatch.setattr(StoreApp, "run", lambda app: start(app, headless=True))
    assert tui.run(demo) == 1


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("dmo", "no run 'dmo' .*did you mean 'demo'"),
        ("demo/1.serch", "no phase '1.serch' in run 'demo': did you mean '1.search'"),
        ("demo/1.search/9999", r"no tree '1.search/9999' in run 'demo': those of 1.search are 0 to 214"),
        ("demo/1.search/x", "'x' is no number of a tree"),
        ("demo/1.search/1/2", "write RUN, RUN/PHASE or RUN/PHASE/NUMBER"),
    ],
)
def test_a_missing_run_phase_or_tree_is_refused_too(demo: Path, what: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tui.run(demo, what)
