"""What the workers of a phase that is running have done, as rows of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import set_cell_size

from tui.styled import line
from tui.text import count, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.records import WorkerFigures
    from tui.styled import Line, Style

_NAME = 28
_STYLES: dict[str, Style] = {"working": "good", "lost": "bad", "gone": "bad"}


def worker_rows(workers: Sequence[WorkerFigures]) -> list[Line]:
    """A heading and a row for each worker; nothing where there are none on other machines."""
    if not workers:
        return []
    working = sum(one.state == "working" for one in workers)
    names = f"{'worker':{_NAME}} state   running ended  tokens     /s busy cached"
    heading = line((f"workers: {working} of {len(workers)} work", "bold"))
    return [heading, line((names, "dim")), *map(_row, workers)]


def _row(one: WorkerFigures) -> Line:
    return line(
        f"{set_cell_size(label(one.name, _NAME), _NAME)} ",
        (f"{label(one.state, 7):7}", _STYLES.get(one.state, "")),
        f" {one.running:>7} {count(one.searches):>5} {_number(one.tokens):>7}",
        f" {_number(one.tokens_per_second):>6} ",
        (f"{_share(one.busy):>4}", "value", one.busy) if one.busy is not None else (f"{'-':>4}", "dim"),
        f" {_share(one.cache_hits):>6}",
    )


def _number(figure: float | None) -> str:
    return "-" if figure is None else count(round(figure))


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
