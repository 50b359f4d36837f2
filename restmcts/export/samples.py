"""The files of training samples of a run, and how they are read."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from restmcts.errors import InputError
from restmcts.recipe_text import parsed
from restmcts.stored_recipes import stored_text
from store.encoding.rows import sample_from
from store.files.journal import read_journal
from store.files.jsonl import read_rows
from store.files.layout import RunLayout
from store.files.plain import plain_files
from store.records import Sample

ENDINGS: Final = {"policy": "select", "value": "label", "preference": "pair"}
"""How the phases are called that write the samples of each kind."""


def sample_files(root: Path, run: str, kind: str, iteration: int | None) -> list[Path]:
    """The files of training samples of a run, in the order of the iterations.

    Raises:
        InputError: there are none.
    """
    layout = RunLayout(root, run)
    folder = layout.plain(layout.folder / "samples")
    found = [
        path for path in plain_files(folder, f"*.{ENDINGS[kind]}.jsonl") if iteration_of(path) is not None
    ]
    files = sorted(found, key=lambda path: iteration_of(path) or 0)
    if iteration is not None:
        files = [path for path in files if iteration_of(path) == iteration]
    if not files:
        of = "" if iteration is None else f" of iteration {iteration}"
        raise InputError(f"run {run!r} in {root} has no {kind} samples{of}")
    return files


def iteration_of(path: Path) -> int | None:
    """The iteration that the name of a file of samples begins with."""
    number = path.name.partition(".")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def read_samples(path: Path) -> Iterator[Sample]:
    """The training samples of a file.

    Raises:
        InputError: there is no such file.
        StoreError: a line is not a sample.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; samples lie in samples/ of a run")
    file = path.resolve()  # a file that the user names may be a link
    for line, row in read_rows(file, _mark_length(file), whole=True):
        yield sample_from(row, f"{path}:{line.number}")


def label_rule(root: Path, run: str, path: Path) -> str:
    """The rule by which the value samples of a file were labelled.

    The phase that wrote them says it, and the recipe of the run where an older version has not.
    """
    layout = RunLayout(root, run)
    phase = read_journal(layout).phases.get(path.name.removesuffix(".jsonl"))
    said = None if phase is None else phase.summary.get("rule")
    if isinstance(said, str):
        return said
    labels = parsed(stored_text(root, run), str(layout.config)).get("labels")
    return str(labels.get("rule", "")) if isinstance(labels, dict) else ""


def _mark_length(path: Path) -> int:
    """How many bytes the byte order mark takes that some editors put in front of the first line."""
    with path.open("rb") as file:
        return len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
