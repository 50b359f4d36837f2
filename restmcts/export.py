"""Trees and samples in the forms that other tools take."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from restmcts.errors import InputError
from store.encoding.fields import dump
from store.encoding.lines import parse_line
from store.encoding.rows import encode_sample, sample_from
from store.events import SearchRecord
from store.files.jsonl import read_rows
from store.files.layout import RunLayout
from store.files.plain import plain_files
from store.records import PolicySample, Sample
from store.tree import fold


def tree_as_dict(record: SearchRecord, labels: dict[str, tuple[float | None, ...]]) -> dict[str, Any]:
    """One tree as nested plain data: header, result, and every node with what is known about it."""
    tree = fold(record.events)
    nodes = [
        {
            "id": node.id,
            "parent": node.parent,
            "depth": node.depth,
            "step": None if node.step is None else node.step.text,
            "score": node.score,
            "value": node.value,
            "visits": node.visits,
            "samples": node.samples,
            "finished": node.finished,
            "answer": node.answer,
            "correct": node.correct,
            "labels": {rule: values[node.id] for rule, values in labels.items() if node.id < len(values)},
        }
        for node in tree.nodes
    ]
    return {"header": asdict(record.header), "result": asdict(record.result), "nodes": nodes}


def sample_files(root: Path, run: str, kind: str, iteration: int | None) -> list[Path]:
    """The files of training samples of a run, in the order of the iterations.

    Raises:
        InputError: there are none.
    """
    ending = "select" if kind == "policy" else "label"
    layout = RunLayout(root, run)
    folder = layout.plain(layout.folder / "samples")
    found = [path for path in plain_files(folder, f"*.{ending}.jsonl") if _iteration(path) is not None]
    files = sorted(found, key=lambda path: _iteration(path) or 0)
    if iteration is not None:
        files = [path for path in files if _iteration(path) == iteration]
    if not files:
        raise InputError(f"run {run!r} in {root} has no {kind} samples" + _of(iteration))
    return files


def _iteration(path: Path) -> int | None:
    """The iteration that the name of a file of samples begins with."""
    number = path.name.partition(".")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def _of(iteration: int | None) -> str:
    return "" if iteration is None else f" of iteration {iteration}"


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


def messages(sample: PolicySample, instruction: str) -> dict[str, Any]:
    """A trace as a conversation: the problem is the user's turn, the steps are the assistant's."""
    turns = {"user": _asked(sample, instruction), "assistant": _written(sample)}
    return {"messages": [{"role": role, "content": content} for role, content in turns.items()]}


def prompt_completion(sample: PolicySample, instruction: str) -> dict[str, Any]:
    """A trace as plain text: the problem and a newline, and the steps that follow it."""
    return {"prompt": _asked(sample, instruction) + "\n", "completion": _written(sample)}


def _asked(sample: PolicySample, instruction: str) -> str:
    return f"{sample.prompt}\n\n{instruction}" if instruction else sample.prompt


def _written(sample: PolicySample) -> str:
    return "".join(step.text for step in sample.steps)


FORMATS: Final[dict[str, Callable[[PolicySample, str], dict[str, Any]]]] = {
    "messages": messages,
    "prompt-completion": prompt_completion,
}
"""The forms that other trainers read, such as the SFTTrainer of TRL."""


def export_sample(sample: Sample, format: str | None, instruction: str) -> bytes:
    """A training sample as a line of JSON.

    Args:
        sample: the sample.
        format: a name of :data:`FORMATS`; None: as a store has it, but without a checksum.
        instruction: what follows the problem in the other formats; "" for nothing.

    Raises:
        InputError: the format is for traces of a policy alone.
    """
    if format is None:
        return dump(parse_line(encode_sample(sample)))  # who edits it needs no checksum
    if not isinstance(sample, PolicySample):
        raise InputError(f"--format {format} has no place for the values of steps: take --kind policy")
    return dump(FORMATS[format](sample, instruction))


def _mark_length(path: Path) -> int:
    """How many bytes the byte order mark takes that some editors put in front of the first line."""
    with path.open("rb") as file:
        return len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
