"""Progress reporting for long-running work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from store.records import WorkerFigures

Figures = Mapping[str, float | int | str | None]


class Progress(Protocol):
    """A listener; every call may come often and must return at once."""

    def start(self, phase: str, kind: str, total: int | None) -> None:
        """A phase begins; ``total`` is how many pieces of work it has."""
        ...

    def update(self, done: int, figures: Figures) -> None:
        """``done`` pieces are ready; ``figures`` are the latest numbers, by name."""
        ...

    def workers(self, found: Sequence[WorkerFigures]) -> None:
        """What workers on other machines have done in this phase; told now and then, before an update."""
        ...

    def finish(self, phase: str, summary: Mapping[str, Any]) -> None:
        """A phase is done, now or in an earlier start of the same run."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know."""
        ...
