"""Stores as somebody might hand them over: each wants something outside read, written, cut or deleted."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.store.build import PHASE, fill, open_run

SECRET = "the-password-is-417"
LAST = "a last line without an end"
ESCAPE = "\x1b]0;owned\x07\x9b31m\u202e"


def build_outside(folder: Path) -> None:
    """What belongs to the user, and is to stay as it is."""
    documents = folder / "documents"
    (documents / "policy").mkdir(parents=True)
    (documents / "policy" / "thesis.txt").write_text(SECRET)
    (folder / "notes.txt").write_text(f"{SECRET}\n{LAST}")
    (folder / "secret.toml").write_text(f'password = "{SECRET}"\n')
    connection = sqlite3.connect(folder / "places.sqlite")
    connection.execute("CREATE TABLE trees (secret TEXT)")
    connection.execute("INSERT INTO trees VALUES (?)", (SECRET,))
    connection.commit()
    connection.close()


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder below ``folder``: when it was changed, and what it holds."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted([folder, *folder.rglob("*")])
    }


def build_store(root: Path, config: str) -> None:
    """A sound store with the run ``first``."""
    with open_run(root, config=config) as writer:
        fill(writer)
        writer.finish_run()


def _link(place: str, target: str) -> Callable[[Path, Path], None]:
    def plant(root: Path, outside: Path) -> None:
        path = root / place
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(outside / target if not target.startswith("/") else target)

    return plant


def _pipe(place: str) -> Callable[[Path, Path], None]:
    def plant(root: Path, outside: Path) -> None:
        path = root / place
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return plant


def _line(place: str, text: str) -> Callable[[Path, Path], None]:
    def plant(root: Path, outside: Path) -> None:
        (root / place).write_text(text.replace("OUTSIDE", str(outside)) + "\n")

    return plant


def _moved(place: str) -> Callable[[Path, Path], None]:
    """The folder lies elsewhere, and a link leads to it."""

    def plant(root: Path, outside: Path) -> None:
        shutil.move(root / place, root / "elsewhere")
        (root / place).symlink_to(root / "elsewhere")

    return plant


def _named(place: str) -> Callable[[Path, Path], None]:
    def plant(root: Path, outside: Path) -> None:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text("{\n")

    return plant


def _checkpoint(path: str, parent: str = "base") -> str:
    return (
        f'{{"format":1,"phase":"{PHASE}","iteration":1,"kind":"policy","path":"{path}","parent":"{parent}",'
        '"carried":true}'
    )


RUN = "runs/first"
HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    **{
        f"{place} is a link": _link(f"{RUN}/{place}", target)
        for place, target in {
            "phases.jsonl": "notes.txt",
            f"trees/{PHASE}.jsonl": "notes.txt",
            "trees": "documents",
            "labels": "documents",
            f"labels/{PHASE}.rest-mcts.jsonl": "notes.txt",
            "samples": "documents",
            "samples/1.select.jsonl": "notes.txt",
            "run.toml": "secret.toml",
            "env.json": "notes.txt",
            "metrics.jsonl": "notes.txt",
            "evaluations.jsonl": "/dev/zero",
            "checkpoints.jsonl": "notes.txt",
            "checkpoints": "documents",
            "checkpoints/1": "documents",
            "checkpoints/1/policy/model.safetensors": "secret.toml",
            "writer.lock": "notes.txt",
            ".phases.jsonl.new": "notes.txt",
            "notes": "nowhere",
        }.items()
    },
    **{
        f"{place} is a pipe": _pipe(f"{RUN}/{place}")
        for place in ("phases.jsonl", "metrics.jsonl", "run.toml", "env.json", "writer.lock")
    },
    "the run is a link": _moved(RUN),
    "runs is a link": _moved("runs"),
    "another run is a link": _link("runs/second", "documents"),
    "the index is a link": _link("index.db", "places.sqlite"),
    "the log of the index is a link": _link("index.db-wal", "notes.txt"),
    "the index is a pipe": _pipe("index.db"),
    "a checkpoint leads out": _line(f"{RUN}/checkpoints.jsonl", _checkpoint("../../../outside/documents")),
    "a checkpoint is elsewhere": _line(f"{RUN}/checkpoints.jsonl", _checkpoint("OUTSIDE/documents")),
    "a parent leads out": _line(f"{RUN}/checkpoints.jsonl", _checkpoint("checkpoints/1/policy", "../../..")),
    "a deep configuration": _line(f"{RUN}/run.toml", "a = " + "[" * 20_000 + "]" * 20_000),
    "a deep line": _line(f"{RUN}/trees/{PHASE}.jsonl", "[" * 20_000 + "]" * 20_000),
    "names with escapes": _named(f"{RUN}/trees/{ESCAPE}.jsonl"),
    "checkpoints with escapes": _line(
        f"{RUN}/checkpoints.jsonl", _checkpoint("checkpoints/\\u001b]0;owned\\u0007\\u202e")
    ),
}
"""By name: what is done to a sound store at the first path, with the belongings of the user at the second."""
