"""The runs that have searched the shards of one search, and the searches that they have together."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.encoding.lines import parse_line
from store.encoding.searches import search_failed
from store.errors import InputError, StoreError
from store.files.config import difference
from store.files.inputs import changes
from store.files.journal import read_journal
from store.files.lock import is_locked
from store.files.plain import read_plain
from store.files.verification import check_whole
from store.merging.shards import KEY, PHASE, Shard
from store.nearby import listed
from store.runs.sealing import content, places

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store.files.journal import Journal, Phase
    from store.files.layout import RunLayout
    from store.runs.sealing import Place


@dataclass(frozen=True, slots=True)
class Piece:
    """A run that searches a shard; ``config`` is the text of its ``run.toml`` without the key ``shard``."""

    layout: RunLayout
    shard: Shard
    config: str
    journal: Journal

    @property
    def phase(self) -> Phase | None:
        """The phase of its searches; None where it never began."""
        return self.journal.phases.get(PHASE)

    @property
    def is_done(self) -> bool:
        """Whether every search of the shard has ended."""
        return self.phase is not None and self.phase.status == "done"

    @property
    def failed(self) -> int:
        """How many searches of a shard that is done have failed."""
        return 0 if self.phase is None else int(self.phase.summary.get("failed") or 0)

    @property
    def trees(self) -> Path:
        """The file of its searches."""
        return self.layout.trees(PHASE)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a search is stored."""

    piece: Piece
    place: Place

    def data(self) -> bytes:
        """Its line, with the newline."""
        return content(self.piece.trees, self.place)

    def row(self) -> Any:
        """The JSON value of its line."""
        return parse_line(self.data()[:-1])


def config_of(layout: RunLayout) -> str:
    """The text of the ``run.toml`` of a run.

    Raises:
        StoreError: it cannot be read, or is not TOML.
    """
    path = layout.plain(layout.config)
    try:
        text = read_plain(path).decode("utf-8")
        tomllib.loads(text)
    except FileNotFoundError:
        raise StoreError(f"{path}: missing; start the run again, or delete its folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read: {error}; restore it from a copy") from error
    return text


def shard_of(layout: RunLayout, config: str) -> Shard | None:
    """The shard that a run searches, by the text of its ``run.toml``; None where it is no shard.

    Raises:
        InputError: the file names none that can be.
    """
    named = tomllib.loads(config).get(KEY)
    try:
        return None if named is None else Shard.parse(str(named))
    except InputError as error:
        raise InputError(f"{layout.config}: {error}") from None


def read_piece(layout: RunLayout, config: str, shard: Shard) -> Piece:
    """A run that searches a shard; nobody writes it, and its finished files are as they were written.

    Raises:
        StoreError: that is not so.
    """
    check_at_rest(layout)
    journal = read_journal(layout)
    check_whole(layout, journal)
    return Piece(layout, shard, _without_shard(config), journal)


def check_at_rest(layout: RunLayout) -> None:
    """Refuse a run that is being written, or that holds anything but files and folders.

    Raises:
        StoreError: names the run.
    """
    layout.check_plain()
    if is_locked(layout.folder):
        raise StoreError(f"{layout.folder} is being written by another process; wait for it, or end it")


def _without_shard(config: str) -> str:
    import tomlkit

    document = tomlkit.parse(config)
    del document[KEY]
    return tomlkit.dumps(document)


def check_alike(pieces: Sequence[Piece]) -> None:
    """Refuse shards of different searches: of other recipes, problems, models or versions.

    Raises:
        InputError: names two of the runs, and what differs.
    """
    first = pieces[0]
    for piece in pieces[1:]:
        runs = f"{first.layout.folder} and {piece.layout.folder}"
        if first.shard.count != piece.shard.count:
            shards = f"{first.shard} and {piece.shard}"
            raise InputError(f"{runs} are the shards {shards}: shards of one search have one count")
        if tomllib.loads(first.config) != tomllib.loads(piece.config):
            lines = difference(first.config, piece.config)
            raise InputError(f"{runs} are shards of different searches, whose run.toml differ:\n{lines}")
        for path in first.journal.inputs.keys() & piece.journal.inputs.keys():
            differing = changes(first.journal.inputs[path], piece.journal.inputs[path])
            if differing:
                raise InputError(
                    f"{runs} have read another content from {path}: {'; '.join(differing)}; search one of"
                    " these shards again"
                )
        uses_of([first, piece])


def uses_of(pieces: Sequence[Piece]) -> dict[str, dict[str, str]]:
    """The distributions that the searches used, as the journal has them.

    Raises:
        InputError: two runs have used different versions.
    """
    uses: dict[str, dict[str, str]] = {}
    for piece in pieces:
        if piece.phase is None:
            continue
        for kind, origins in piece.phase.uses.items():
            known = uses.setdefault(kind, {})
            for name, origin in origins.items():
                if known.setdefault(name, origin) != origin:
                    raise InputError(
                        f"{piece.layout.folder} has used {name} of {origin}, and another shard that of"
                        f" {known[name]}: search the shards with one version"
                    )
    return uses


def searches_of(pieces: Sequence[Piece]) -> dict[int, Found]:
    """The searches of all pieces by their numbers, in the order of the numbers.

    A search that several runs have counts once: that of the first run which is done, or else of the first.
    One that failed makes way for one that did not, where its run is not done.

    Raises:
        InputError: two runs have searched differently.
        StoreError: a line cannot be read, or a search belongs to another shard.
    """
    found: dict[int, Found] = {}
    for piece in sorted(pieces, key=lambda piece: not piece.is_done):
        for place in places(piece.trees):
            if not piece.shard.has(place.number):
                raise StoreError(f"{piece.trees}: search {place.number} is not of the shard {piece.shard}")
            new, known = Found(piece, place), found.get(place.number)
            if known is None or _replaces(new, known):
                found[place.number] = new
    return dict(sorted(found.items()))


def _replaces(new: Found, known: Found) -> bool:
    """Whether a search takes the place of the same one in another run."""
    now, before = new.row(), known.row()
    if search_failed(now):
        return False
    if search_failed(before):
        return not known.piece.is_done
    if _compared(now) != _compared(before):
        raise InputError(
            f"{known.piece.layout.folder} and {new.piece.layout.folder} have searched the shard"
            f" {new.piece.shard}, and differ in {PHASE}/{new.place.number}: give one of them"
        )
    return False


def _compared(row: dict[str, Any]) -> dict[str, Any]:
    """A search without what differs between equal ones: how long it took, and who made it."""
    kept = dict(row)
    kept["result"] = {name: value for name, value in row["result"].items() if name != "seconds"}
    kept["header"] = {name: value for name, value in row["header"].items() if name != "worker"}
    return kept


def missing_shards(pieces: Sequence[Piece]) -> list[Shard]:
    """The shards of which no run is done."""
    done = {piece.shard for piece in pieces if piece.is_done}
    count = pieces[0].shard.count
    return [shard for number in range(1, count + 1) if (shard := Shard(number, count)) not in done]


def check_complete(pieces: Sequence[Piece], found: dict[int, Found]) -> None:
    """Refuse searches with a gap, although every shard is done.

    Raises:
        StoreError: names what is missing.
    """
    gaps = sorted(set(range(max(found, default=0) + 1)) - found.keys())
    if gaps:
        names = listed([f"{PHASE}/{number}" for number in gaps])
        shard = next(piece.layout.folder for piece in pieces if piece.shard.has(gaps[0]))
        raise StoreError(f"{shard}: lacks {names}, which another shard would have: search it again")
