"""Merging stores: shards become one run, and other runs are copied."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import InputError
from store.files.fingerprints import fingerprint_file
from store.files.journal import read_journal
from store.files.layout import RUNS, RunLayout, check_name, run_names
from store.files.plain import is_plain, is_plain_folder
from store.merging.arriving import arrivals, copy_run, held, index_run, is_there, put_in_place
from store.merging.pieces import (
    check_alike,
    check_complete,
    config_of,
    missing_shards,
    read_piece,
    searches_of,
    shard_of,
)
from store.merging.shards import PHASE
from store.merging.writing import write_merged
from store.nearby import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from store.files.fingerprints import Fingerprint
    from store.merging.pieces import Found, Piece


@dataclass(frozen=True, slots=True)
class Arrived:
    """A run that is in the store now: what it was made from, and whether it is new.

    ``sources`` are the folders of the shards, or of the run that was copied. ``searches`` counts those of the
    shards, and ``missing`` names the shards that are not done; both are empty for a copy.
    """

    run: str
    sources: tuple[Path, ...]
    new: bool
    searches: int | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Merger:
    """Shards that make one run together."""

    pieces: list[Piece]
    searches: dict[int, Found]
    missing: tuple[str, ...]


def merge(
    paths: Sequence[Path],
    root: Path,
    name: str | None = None,
    *,
    partial: bool = False,
    note: Callable[[str], None],
) -> list[Arrived]:
    """Merge runs into the store at ``root``, where they are whole or not there, whenever this process ends.

    Shards of one search become one run; other runs are copied. A run that is there already and holds the same
    stays as it is. Everything is looked at before anything is written, and nothing is changed in the sources.

    Args:
        paths: stores, and folders of runs in stores.
        root: the store to merge into; it may be one of them.
        name: the name of the run, where there is one; None: that of the shards without its ending, or that of
            the run.
        partial: merge also where shards are missing or not done; the run can go on then.
        note: is told what the user should know, in one line.

    Returns:
        The runs, in the order of their names.

    Raises:
        InputError: there is nothing to merge; shards are of different searches, missing, or differ in a
            search that several have; or ``root`` has another run of the same name.
        StoreError: a run is being written or was damaged, or the store cannot be written.
    """
    shards, copies = _sorted_out(_runs_at(paths), root, name)
    mergers = {run: _merger(pieces, partial=partial) for run, pieces in sorted(shards.items())}
    arrived = []
    with arrivals(root) as folder:
        for run, merger in mergers.items():
            arrived.append(_merge(merger, RunLayout(folder, run), RunLayout(root, run), note))
        for run, source in sorted(copies.items()):
            arrived.append(_copy(source, RunLayout(folder, run), RunLayout(root, run), note))
    return sorted(arrived, key=lambda one: one.run)


def _runs_at(paths: Sequence[Path]) -> list[RunLayout]:
    """The runs that paths name, each once."""
    found: dict[Path, RunLayout] = {}
    for path in paths:
        for layout in _named(path):
            found.setdefault(layout.folder.resolve(), layout)
    return list(found.values())


def _named(path: Path) -> Iterator[RunLayout]:
    names = run_names(path)
    if names:
        yield from (RunLayout(path, run) for run in names)
        return
    folder = path.resolve()
    is_run = is_plain(folder / "run.toml") or is_plain(folder / "phases.jsonl")
    if is_run and folder.parent.name == RUNS:
        yield RunLayout(folder.parent.parent, folder.name)
        return
    if is_run:
        raise InputError(f"{path}: the folder of a run that lies in no store; put it into a folder {RUNS!r}")
    reason = "neither a store nor the folder of a run" if is_plain_folder(folder) else "no such folder"
    raise InputError(f"{path}: {reason}; name folders of stores, or of runs in them (STORE/{RUNS}/RUN)")


def _sorted_out(
    layouts: Sequence[RunLayout], root: Path, name: str | None
) -> tuple[dict[str, list[Piece]], dict[str, RunLayout]]:
    """The shards, and the runs to copy, by the names that they get."""
    shards: dict[str, list[Piece]] = defaultdict(list)
    copies: dict[str, RunLayout] = {}
    here = (root / RUNS).resolve()
    for layout in layouts:
        config = config_of(layout)
        shard = shard_of(layout, config)
        if shard is not None:
            piece = read_piece(layout, config, shard)
            shards[_name_of(piece) if name is None else name].append(piece)
        elif layout.folder.parent.resolve() != here:
            run = layout.run if name is None else name
            _check_equal(copies.setdefault(run, layout), layout, run)
    _check_names(shards, copies, root, name)
    return shards, copies


def _name_of(piece: Piece) -> str:
    run, ending = piece.layout.run, piece.shard.ending
    if not run.endswith(ending) or run == ending:
        raise InputError(
            f"{piece.layout.folder}: is the shard {piece.shard}, but its name does not end in {ending!r}:"
            " name the run to make by --run"
        )
    return run.removesuffix(ending)


def _check_names(
    shards: Mapping[str, Sequence[Piece]], copies: Mapping[str, RunLayout], root: Path, name: str | None
) -> None:
    """Refuse names that stand for two things, and runs that would take the place of others."""
    both = sorted(shards.keys() & copies.keys())
    if both:
        raise InputError(
            f"{both[0]!r} would be the name of the shards in {shards[both[0]][0].layout.root} and of"
            f" {copies[both[0]].folder}: merge one after the other, with --run"
        )
    if not shards and not copies:
        raise InputError(f"there is nothing to merge: no shard, and no run that is not in {root} already")
    if name is not None:
        check_name(name)
    for run, source in copies.items():
        target = RunLayout(root, run)
        if is_there(target):
            _check_equal(target, source, run)


def _check_equal(one: RunLayout, other: RunLayout, run: str) -> None:
    if one is other:
        return
    before, now = held(one), held(other)
    names = before.keys() | now.keys()
    differing = sorted(path for path in names if before.get(path) != now.get(path))
    if differing:
        raise InputError(
            f"{one.folder} and {other.folder} would both be the run {run!r}, and differ in"
            f" {listed(differing)}: give one of them another name by --run"
        )


def _merger(pieces: Sequence[Piece], *, partial: bool) -> _Merger:
    """Shards that are fit to be merged."""
    ordered = sorted(pieces, key=lambda piece: (piece.shard.number, not piece.is_done, piece.failed))
    check_alike(ordered)
    missing = tuple(map(str, missing_shards(ordered)))
    if missing and not partial:
        known = {str(piece.shard) for piece in ordered}
        named = [f"{shard} (not done)" if shard in known else shard for shard in missing]
        raise InputError(
            f"{len(missing)} of {ordered[0].shard.count} shards are missing: {listed(named)}; search them, or"
            " merge what is there with --partial, and let `restmcts search` without --shard do the rest"
        )
    searches = searches_of(ordered)
    if not searches:
        raise InputError(f"{ordered[0].layout.folder}: no search has ended in this shard, nor in another one")
    if not missing:
        check_complete(ordered, searches)
        done = {piece.shard: piece for piece in reversed(ordered) if piece.is_done}
        ordered = sorted(done.values(), key=lambda piece: piece.shard.number)
    return _Merger(ordered, searches, missing)


def _merge(merger: _Merger, written: RunLayout, target: RunLayout, note: Callable[[str], None]) -> Arrived:
    pieces, searches = merger.pieces, merger.searches
    for piece in pieces:
        others = [name for name in piece.journal.phases if name != PHASE]
        if others:
            note(f"{piece.layout.folder}: {listed(others)} stay there: the search alone is merged")
    write_merged(written, pieces, searches, done=not merger.missing)
    new = not is_there(target)
    if new:
        put_in_place(written, target, note)
    else:
        _check_same_searches(written, target)
        index_run(target, note)
    sources = tuple(piece.layout.folder for piece in pieces)
    return Arrived(target.run, sources, new, len(searches), merger.missing)


def _check_same_searches(written: RunLayout, target: RunLayout) -> None:
    """Refuse to merge into a run that is not what the same shards have made before."""
    known, made = _merged_content(target), _merged_content(written)
    if known != made:
        raise InputError(
            f"{target.folder} is there, and is not what these shards make: name another run by --run, or"
            f" delete that one first (`restmcts runs delete {target.run}`)"
        )


def _merged_content(layout: RunLayout) -> list[Fingerprint | str | None]:
    """What merging decides of a run: its recipe, its searches, and whether they are done."""
    files = (layout.config, layout.trees(PHASE))
    phase = read_journal(layout).phases.get(PHASE)
    content = [fingerprint_file(path) if is_plain(path) else None for path in files]
    return [*content, None if phase is None else phase.status]


def _copy(source: RunLayout, written: RunLayout, target: RunLayout, note: Callable[[str], None]) -> Arrived:
    new = not is_there(target)
    if new:
        copy_run(source, written)
        put_in_place(written, target, note)
    else:
        index_run(target, note)
    return Arrived(target.run, (source.folder,), new)
