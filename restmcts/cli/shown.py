"""What `restmcts show` is asked for, told apart by its form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from restmcts.paths import expanded
from store.files.layout import RUNS


@dataclass(frozen=True, slots=True)
class Named:
    """A run, a tree or a checkpoint of a run, or a folder; ``name`` is that in its run, or a path."""

    kind: Literal["run", "tree", "checkpoint", "folder"]
    run: str
    name: str = ""


def named(root: Path, what: str) -> Named:
    """What a name stands for.

    ``RUN``; ``RUN/PHASE/NUMBER``, a tree: its last part is a number; ``RUN/ITERATION/ROLE`` and
    ``RUN/checkpoints/ITERATION/ROLE``, a checkpoint. Anything else with slashes is a folder. So is a path
    that begins with a slash, a dot or ``~``, and a path whose first part is no run of the store.
    """
    run, _, rest = what.partition("/")
    if what.startswith(("/", "./", "../", "~")):
        return Named("folder", "", str(expanded(Path(what))))
    if not rest:
        return Named("run", run)
    if not (root / RUNS / run).is_dir() and Path(what).is_dir():
        return Named("folder", "", what)
    parts = rest.split("/")
    if parts[0] == "checkpoints" and len(parts) == 3:
        return Named("checkpoint", run, rest)
    if len(parts) == 2 and _is_number(parts[0]) and not _is_number(parts[1]):
        return Named("checkpoint", run, rest)
    return Named("tree", run, rest) if len(parts) <= 2 else Named("folder", "", what)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
