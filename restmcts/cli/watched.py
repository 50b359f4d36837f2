"""Progress that others can watch too: it is shown here, and kept beside the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from restmcts.progress import Figures, Progress
from store.files.layout import RunLayout
from store.records import WorkerFigures
from store.runs.progress import ProgressFile


class WatchedProgress:
    """Passes everything on to ``shown``, and writes how far the phase is into the folder of the run."""

    def __init__(self, shown: Progress, file: ProgressFile) -> None:
        self._shown = shown
        self._file = file

    def start(self, phase: str, kind: str, total: int | None) -> None:
        self._shown.start(phase, kind, total)
        self._file.start(phase, kind, total)

    def update(self, done: int, figures: Figures) -> None:
        self._shown.update(done, figures)
        self._file.update(done, figures)

    def workers(self, found: Sequence[WorkerFigures]) -> None:
        self._shown.workers(found)
        self._file.workers(found)

    def finish(self, phase: str, summary: Mapping[str, Any]) -> None:
        self._file.remove()
        self._shown.finish(phase, summary)

    def note(self, text: str) -> None:
        self._shown.note(text)


@contextmanager
def watched(shown: Progress, layout: RunLayout) -> Iterator[Progress]:
    """``shown``, which can be watched in the folder of the run as long as the block runs."""
    file = ProgressFile(layout)
    try:
        yield WatchedProgress(shown, file)
    finally:
        file.remove()
