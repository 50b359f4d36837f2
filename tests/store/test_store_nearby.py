"""Hints for names and folders that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.nearby import alike, is_store, listed, stores_near

if TYPE_CHECKING:
    from pathlib import Path


def make_store(folder: Path) -> Path:
    (folder / "runs" / "first").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("tny-2", ["tiny-2", "tiny-3"], "did you mean 'tiny-2'?"),
        ("x", ["tiny", "large"], "there is tiny, large"),
        (
            "x",
            [f"run-{number}" for number in range(9)],
            "there is run-0, run-1, run-2, run-3, run-4 and 4 more",
        ),
        ("x", [], "there is none"),
    ],
)
def test_what_may_have_been_meant(name: str, known: list[str], hint: str) -> None:
    assert alike(name, known) == hint
    assert listed(known[:2]) == ", ".join(known[:2])


def test_stores_inside_beside_and_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    inside = make_store(here / "wanted" / "store")
    beside = make_store(here / "demo-store")
    make_store(here / ".trash")
    (here / "a file").write_text("")
    monkeypatch.chdir(here)
    assert {path.resolve() for path in stores_near(here / "wanted")} == {inside, beside}
    assert {path.resolve() for path in stores_near(here / "missing")} == {beside}
    assert is_store(beside) and not is_store(here)
    assert beside not in stores_near(beside), "the folder itself is no hint"


def test_a_folder_that_cannot_be_looked_into_is_no_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    assert stores_near(tmp_path / "file") == []
    assert stores_near(tmp_path / "loop" / "store") == []
