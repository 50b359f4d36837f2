"""Progress that is shown and kept beside the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from restmcts.cli.watched import watched
from store.files.layout import RunLayout
from store.records import WorkerFigures
from store.runs.progress import read_progress
from tests.loops.scripted import Heard


def test_what_is_told_is_shown_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.runs.progress.EVERY", 0.0)
    layout, shown = RunLayout(tmp_path, "first"), Heard()
    layout.folder.mkdir(parents=True)
    told = (WorkerFigures("n/worker-1", "n", "working", 3, 1),)
    with watched(shown, layout) as progress:
        progress.start("0.search", "search", 4)
        progress.workers(told)
        progress.update(2, {"tokens": 7})
        kept = read_progress(layout)
        assert kept is not None and (kept.done, kept.figures, kept.workers) == (2, {"tokens": 7}, told)
        progress.note("half way")
        progress.finish("0.search", {})
        assert read_progress(layout) is None
    assert (shown.total, shown.done) == (4, [2])
    assert shown.workers_told == [told] and shown.notes == ["half way"]
