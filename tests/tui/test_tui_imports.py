"""Looking at a store costs no model library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tui
from store.errors import InputError

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
    assert not modules & {"torch", "transformers", "restmcts", "numpy", "sqlite_utils"}


def test_a_missing_store_is_refused_before_anything_opens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        tui.run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("run", "tree", "message"),
    [
        ("nope", None, "no run 'nope'"),
        ("demo", "1.search/9999", "no tree"),
        ("demo", "what", "no tree"),
        (None, "nope/1.search/0", "no run 'nope'"),
    ],
)
def test_a_missing_run_or_tree_is_refused_too(
    demo: Path, run: str | None, tree: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tui.run(demo, run, tree)
