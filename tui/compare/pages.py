"""What worker threads read from the store for the screens that compare: frozen, ready to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.index.sides import chosen_pair, contrasts
from store.paired import paired_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.index.reader import StoreReader
    from store.paired import PairedFigures
    from store.queries import Compared, MatrixRow, SettingDifference, Side

Contrast = tuple["Side", "Side"]
"""The first and the second side of a comparison."""


@dataclass(frozen=True, slots=True)
class RowRead:
    """A row of the list of comparisons: its sides, how many problems are in each set, and its figures."""

    version: int
    sides: Contrast
    counts: tuple[int, int, int, int]
    figures: PairedFigures | None


@dataclass(frozen=True, slots=True)
class ComparedPage:
    """Two sides, and the comparisons that are listed beside theirs.

    Attributes:
        row: the figures of the two sides.
        compared: the problems of the two sides.
        contrasts: all comparisons that are listed, this one among them.
        differences: the settings that the two runs do not have alike.
    """

    row: RowRead
    compared: Compared
    contrasts: tuple[Contrast, ...]
    differences: tuple[SettingDifference, ...]


@dataclass(frozen=True, slots=True)
class MatrixPage:
    """Several sides, problem by problem; sides that were open are chosen."""

    version: int
    sides: tuple[Side, ...]
    rows: tuple[MatrixRow, ...]


def read_compared(
    reader: StoreReader,
    sides: Contrast,
    around: Contrast | None = None,
    near: Sequence[Contrast] = (),
) -> ComparedPage:
    """Two sides, which may be open in part.

    Args:
        reader: the store.
        sides: the two sides.
        around: the sides near which the comparisons are that are listed; None: these two.
        near: the comparisons that are listed, where they are known.

    Raises:
        InputError: there is no such side.
    """
    version = reader.version()
    a, b = chosen_pair(reader, *sides)
    compared = reader.compare(a, b)
    listed = near or contrasts(reader, *(around or (a, b)))
    differences = () if a.run == b.run else tuple(reader.settings_diff(a.run, b.run))
    return ComparedPage(_row(version, (a, b), compared), compared, tuple(listed), differences)


def read_row(reader: StoreReader, sides: Contrast) -> RowRead:
    """The figures of one comparison."""
    version = reader.version()
    return _row(version, sides, reader.compare(*sides))


def _row(version: int, sides: Contrast, compared: Compared) -> RowRead:
    sets = (compared.both, compared.only_a, compared.only_b, compared.none)
    counts = (len(sets[0]), len(sets[1]), len(sets[2]), len(sets[3]))
    return RowRead(version, sides, counts, paired_figures(compared))


def read_matrix(reader: StoreReader, sides: Sequence[Side]) -> MatrixPage:
    """Several sides. Those that are open in part are chosen like the first one that is compared with them.

    Raises:
        InputError: there is no such side.
    """
    version = reader.version()
    first, _ = chosen_pair(reader, sides[0], sides[1])
    chosen = (first, *(chosen_pair(reader, first, side)[1] for side in sides[1:]))
    return MatrixPage(version, chosen, tuple(reader.matrix(chosen)))
