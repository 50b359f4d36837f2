"""Damages to the files of a run, as disks, copies and people do them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Damage = Callable[[Path, Random], str]
"""Changes something in the folder of a run and says what; empty where there was nothing to change."""


def run_files(folder: Path, ending: str = "") -> list[Path]:
    """The files of a run that hold something, but the one that only says who writes it."""
    files = (path for path in sorted(folder.rglob(f"*{ending}")) if path.is_file())
    return [path for path in files if path.name != "writer.lock" and path.stat().st_size]


def flip(folder: Path, chance: Random) -> str:
    path = chance.choice(run_files(folder))
    data = bytearray(path.read_bytes())
    place, bit = chance.randrange(len(data)), chance.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place} of {path.name}"


def overwrite(folder: Path, chance: Random) -> str:
    path = chance.choice(run_files(folder))
    data = bytearray(path.read_bytes())
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.choice([1, 16, 512, 4096]))
    data[start:end] = chance.choice([bytes(end - start), chance.randbytes(end - start)])
    path.write_bytes(data)
    return f"bytes {start} to {end} of {path.name}"


def cut(folder: Path, chance: Random) -> str:
    path = chance.choice(run_files(folder))
    data = path.read_bytes()
    end = chance.randrange(len(data))
    path.write_bytes(data[:end])
    return f"{path.name} cut to {end} of {len(data)} bytes"


def cut_out(folder: Path, chance: Random) -> str:
    path = chance.choice(run_files(folder))
    data = path.read_bytes()
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.choice([1, 100, 4096]))
    path.write_bytes(data[:start] + data[end:])
    return f"bytes {start} to {end} cut out of {path.name}"


def delete(folder: Path, chance: Random) -> str:
    path = chance.choice(run_files(folder))
    path.unlink()
    return f"{path.name} deleted"


def empty(folder: Path, chance: Random) -> str:
    path = chance.choice(run_files(folder))
    path.write_bytes(b"")
    return f"{path.name} emptied"


def lose_lines(folder: Path, chance: Random) -> str:
    path, lines = _lines(folder, chance)
    start = chance.randrange(len(lines))
    end = min(len(lines), start + chance.choice([1, 1, 3]))
    path.write_bytes(b"".join(lines[:start] + lines[end:]))
    return f"lines {start + 1} to {end} of {path.name} lost"


def double_line(folder: Path, chance: Random) -> str:
    path, lines = _lines(folder, chance)
    number = chance.randrange(len(lines))
    path.write_bytes(b"".join(lines[: number + 1] + lines[number:]))
    return f"line {number + 1} of {path.name} doubled"


def swap_lines(folder: Path, chance: Random) -> str:
    path, lines = _lines(folder, chance)
    if len(lines) < 2:
        return ""
    first, second = chance.sample(range(len(lines)), 2)
    lines[first], lines[second] = lines[second], lines[first]
    path.write_bytes(b"".join(lines))
    return f"lines {first + 1} and {second + 1} of {path.name} swapped"


def swap_files(folder: Path, chance: Random) -> str:
    ending = chance.choice([".jsonl", ".safetensors", ".json"])
    files = run_files(folder, ending)
    if len(files) < 2:
        return ""
    first, second = chance.sample(files, 2)
    _swap(first, second)
    return f"{first.name} and {second.name} swapped"


def swap_checkpoints(folder: Path, chance: Random) -> str:
    folders = sorted(path for path in folder.glob("checkpoints/*/*") if path.is_dir())
    if len(folders) < 2:
        return ""
    first, second = chance.sample(folders, 2)
    _swap(first, second)
    return f"checkpoints {first.name} and {second.name} swapped"


def delete_folder(folder: Path, chance: Random) -> str:
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    path = chance.choice(folders)
    shutil.rmtree(path)
    return f"folder {path.relative_to(folder)} deleted"


DAMAGES: tuple[Damage, ...] = (
    flip,
    flip,
    overwrite,
    cut,
    cut_out,
    delete,
    empty,
    lose_lines,
    double_line,
    swap_lines,
    swap_files,
    swap_checkpoints,
    delete_folder,
)


def damage(folder: Path, chance: Random) -> str:
    """Do some damage to a run, and say what."""
    while True:
        done = chance.choice(DAMAGES)(folder, chance)
        if done:
            return done


def is_harmless(before: Path, after: Path) -> bool:
    """Whether a damaged run says all that it said before.

    A journal that has lost its last lines is that of an earlier moment: what they say is done again. Other
    files are to be the same, but for what JSON does not see.
    """
    if _files(before).keys() != _files(after).keys():
        return False
    for name, path in _files(before).items():
        if name == "phases.jsonl":
            old, new = _rows(path), _rows(after / name)
            if new != old[: len(new)] or not new:
                return False
        elif path.read_bytes() != (after / name).read_bytes():
            return False
    return True


def _files(folder: Path) -> dict[str, Path]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "writer.lock")
    return {path.relative_to(folder).as_posix(): path for path in files}


def _rows(path: Path) -> list[Any]:
    """The rows of a journal without their checksums; None for a line that cannot be read."""
    rows: list[Any] = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            row = json.loads(line)
        except ValueError:
            rows.append(None)
            continue
        known = {"format", "event", "time", "phase", "kind", "iteration", "seconds", "summary", "uses"}
        known |= {"files", "rows", "number", "environment", "rule", "file"}
        rows.append({key: row[key] for key in row if key in known} if type(row) is dict else row)
    return rows


def _lines(folder: Path, chance: Random) -> tuple[Path, list[bytes]]:
    path = chance.choice(run_files(folder, ".jsonl"))
    return path, path.read_bytes().splitlines(keepends=True)


def _swap(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
