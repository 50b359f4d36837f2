"""The judgements of a phase, one line each in ``judgements/PHASE.jsonl``: written as they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.encoding.rows import encode_judgement, judgement_from
from store.files.atomic import replace_file
from store.files.jsonl import LineWriter, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.files.layout import RunLayout
    from store.records import TraceJudgement


class JudgementFile:
    """The judgements of an unfinished phase, for the process that writes the run; to be used in a ``with``.

    Attributes:
        found: what an interrupted run has left, by tree, node and digest of the trace.

    Raises:
        StoreError: the file cannot be written, or a line of it cannot be read.
    """

    def __init__(self, layout: RunLayout, phase: str) -> None:
        self._path = layout.plain(layout.judgements(phase))
        self._file = LineWriter(self._path)  # cuts off a torn last line
        rows = read_rows(self._path)
        judgements = (judgement_from(row, f"{self._path}:{line.number}") for line, row in rows)
        self.found = {(each.tree, each.node, each.text): each for each in judgements}

    def __enter__(self) -> JudgementFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, judgement: TraceJudgement) -> None:
        """Write a judgement; it survives the end of the process at once."""
        self._file.append(encode_judgement(judgement))

    def seal(self, judgements: Iterable[TraceJudgement]) -> None:
        """Keep these, in this order: the file then does not depend on the order in which they were made."""
        self._file.close()
        replace_file(self._path, (encode_judgement(each) + b"\n" for each in judgements))
