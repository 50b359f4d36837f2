"""The check names what is wrong, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from store.check import check, rebuild
from store.encoding.lines import parse_line
from store.encoding.searches import encode_search
from store.errors import InputError
from store.files.layout import RunLayout
from tests.store.build import PHASE, fill, open_run, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    with open_run(tmp_path) as writer:
        fill(writer)
    assert check(tmp_path) == []
    return tmp_path


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def line(path: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    """Change a line; its checksum is then that of the new content."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = change(orjson.dumps(parse_line(lines[number].rstrip(b"\n"))) + b"\n")
    path.write_bytes(b"".join(lines))


TREES = f"trees/{PHASE}.jsonl"
LABELS = f"labels/{PHASE}.rest-mcts.jsonl"
BROKEN: list[tuple[str, Callable[[RunLayout], object], str]] = [
    ("torn", lambda run: append(run.metrics, b'{"a'), "metrics.jsonl: the last line is not whole"),
    ("not json", lambda run: line(run.folder / TREES, 1, lambda _: b"{\n"), f"{TREES}:2: not JSON"),
    ("no search", lambda run: append(run.folder / TREES, b'{"format":1}\n'), f"{TREES}:4: not a search"),
    (
        "format",
        lambda run: line(run.folder / TREES, 0, lambda data: data.replace(b'"format":1', b'"format":2')),
        f"{TREES}:1: format 2",
    ),
    (
        "twice",
        lambda run: append(run.folder / TREES, encode_search(record(0)) + b"\n"),
        f"{TREES}:4: tree '{PHASE}/0' is there twice",
    ),
    (
        "event",
        lambda run: line(run.folder / TREES, 0, lambda data: data.replace(b'"node":1', b'"node":50')),
        f"{TREES}:1: the events do not make a tree",
    ),
    (
        "count",
        lambda run: line(run.folder / TREES, 0, lambda data: data.replace(b'"nodes":4', b'"nodes":5')),
        f"{TREES}:1: the result counts other nodes",
    ),
    (
        "name",
        lambda run: line(run.folder / TREES, 0, lambda data: data.replace(b"1.search/0", b"1.search/x")),
        f"{TREES}:1: tree '1.search/x' must be named",
    ),
    (
        "phase",
        lambda run: (run.folder / TREES).rename(run.trees("4.search")),
        f"4.search.jsonl:1: tree '{PHASE}/0' of phase '{PHASE}' is in the file of '4.search'",
    ),
    (
        "labels of nothing",
        lambda run: line(run.folder / LABELS, 0, lambda data: data.replace(b"search/0", b"search/9")),
        f"{LABELS}:1: labels of tree '1.search/9', which is not in the run",
    ),
    (
        "labels",
        lambda run: line(run.folder / LABELS, 0, lambda data: data.replace(b"null,", b"")),
        f"{LABELS}:1: 3 labels for the 4 nodes",
    ),
    (
        "range",
        lambda run: line(run.folder / LABELS, 0, lambda data: data.replace(b"0.5", b"1.5")),
        f"{LABELS}:1: a label of tree '1.search/0' is not between 0 and 1",
    ),
    (
        "sample",
        lambda run: line(run.samples("1.train"), 0, lambda data: data.replace(b"search/0", b"search/7")),
        "1.train.jsonl:1: a sample from tree '1.search/7'",
    ),
    (
        "cost",
        lambda run: line(run.trees(PHASE), 0, lambda data: data.replace(b'"value":23', b'"value":24')),
        "1.search.jsonl:1: the result counts other tokens or calls than the events of '1.search/0' took",
    ),
    ("folder", lambda run: run.checkpoint(1, "policy").rmdir(), "the checkpoint folder checkpoints/1/policy"),
    ("config", lambda run: run.config.unlink(), "run.toml: cannot be read"),
    ("environment", lambda run: append(run.environment, b"}"), "env.json: cannot be read"),
    ("journal", lambda run: run.phases.unlink(), "phases.jsonl: missing"),
    (
        "uses",
        lambda run: append(
            run.phases,
            b'{"format":1,"event":"uses","phase":"%s","uses":{"loops":[]},"number":5}\n' % PHASE.encode(),
        ),
        "phases.jsonl:5: not a line about a phase",
    ),
    ("leftover", lambda run: append(run.folder / ".x.new", b""), ".x.new: left by a writer"),
    (
        "evaluation",
        lambda run: line(run.evaluations, 0, lambda data: data.replace(b'"correct":5', b'"correct":50')),
        "evaluations.jsonl:1: 50 of 10 problems",
    ),
    ("file name", lambda run: append(run.folder / "trees/a_b.jsonl", b""), "a_b.jsonl: phase name 'a_b'"),
    ("metric", lambda run: append(run.metrics, b"[]\n"), "metrics.jsonl:2: no metric"),
]


@pytest.mark.parametrize(("name", "damage", "finding"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_each_damage_is_found(
    sound: Path, name: str, damage: Callable[[RunLayout], object], finding: str
) -> None:
    damage(RunLayout(sound, "first"))
    assert [found for found in check(sound) if finding in found], check(sound)
    rebuild(sound)
    assert [found for found in check(sound) if finding in found]
    assert not [
        found for found in check(sound) if "index.db" in found and name != "torn" and "json" not in name
    ]


def test_an_index_that_is_behind_or_gone(sound: Path) -> None:
    layout = RunLayout(sound, "first")
    append(layout.trees("9.search"), b"")
    (found,) = check(sound)
    assert "index.db: behind" in found and "9.search.jsonl" in found
    rebuild(sound)
    assert check(sound) == []
    (sound / "index.db").write_bytes(b"x" * 5000)
    assert ["cannot be read" in found for found in check(sound)] == [True]
    for path in sound.glob("index.db*"):
        path.unlink()
    assert ["missing" in found for found in check(sound)] == [True]
    rebuild(sound)
    assert check(sound) == []


def test_a_run_that_is_being_written_may_be_ahead_of_its_index(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(0))
        append(writer.layout.metrics, b'{"half')
        assert check(tmp_path) == []


def test_an_empty_store_is_sound_and_a_missing_one_is_not(tmp_path: Path) -> None:
    assert check(tmp_path) == []
    assert rebuild(tmp_path)["runs"] == 0
    for call in (check, rebuild):
        with pytest.raises(InputError, match="no such folder"):
            call(tmp_path / "none")
