"""What the name of a run, a phase or a tree stands for in a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import InputError
from store.nearby import alike
from store.queries import TreeFilter

if TYPE_CHECKING:
    from store.index.reader import StoreReader


@dataclass(frozen=True, slots=True)
class Found:
    """A run, a phase of it, or one of its trees, whose name is ``<phase>/<number>``."""

    run: str
    phase: str | None = None
    tree: str | None = None


def find(reader: StoreReader, name: str) -> Found:
    """What ``RUN``, ``RUN/PHASE`` or ``RUN/PHASE/NUMBER`` names.

    Raises:
        InputError: there is no such thing; the message says what there is.
        StoreError: the store cannot be read.
    """
    run, *rest = name.strip("/").split("/")
    _check_run(reader, run)
    if not rest:
        return Found(run)
    phase, *number = rest
    if len(number) > 1:
        raise InputError(f"{name!r}: write RUN, RUN/PHASE or RUN/PHASE/NUMBER")
    known = [each.name for each in reader.phases(run)]
    if phase not in known:
        raise InputError(f"no phase {phase!r} in run {run!r}: {alike(phase, known)}")
    if not number:
        return Found(run, phase)
    _check_tree(reader, run, phase, number[0])
    return Found(run, phase, f"{phase}/{int(number[0])}")


def _check_run(reader: StoreReader, run: str) -> None:
    known = [each.name for each in reader.runs()]
    if run in known:
        return
    try:
        reader.run(run)
    except InputError as error:
        if run in reader.unindexed():
            raise
        raise InputError(f"{error}: {alike(run, known)}") from error


def _check_tree(reader: StoreReader, run: str, phase: str, number: str) -> None:
    """A tree is in the index, or in the file of its phase, which the index may be behind."""
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise InputError(f"{number!r} is no number of a tree: write RUN/PHASE/NUMBER")
    tree = f"{phase}/{int(number)}"
    if tree in reader.numbered(run, int(number)):
        return
    try:
        reader.record(run, tree)
    except InputError as error:
        raise InputError(f"{error}: {_numbers(reader, run, phase)}") from error


def _numbers(reader: StoreReader, run: str, phase: str) -> str:
    """Which numbers the trees of a phase have."""
    wanted = TreeFilter(run, phases=(phase,))
    ends = [
        tree.number
        for descending in (False, True)
        for tree in reader.trees(wanted, descending=descending, limit=1)
    ]
    return f"those of {phase} are {ends[0]} to {ends[-1]}" if ends else f"{phase} has no trees"
