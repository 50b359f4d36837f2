"""What worker threads tell the screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.snapshots import OpenedTree, RunDetail, RunList
    from tui.tree_pages import Preview, Spread, TreePage


@dataclass
class RunsRead(Message):
    """The runs of the store were read."""

    runs: RunList


@dataclass
class RunRead(Message):
    """What one run has done was read."""

    detail: RunDetail


@dataclass
class PageRead(Message):
    """A page of trees was read."""

    page: TreePage


@dataclass
class SpreadRead(Message):
    """How figures are spread over the trees of a filter was read."""

    spread: Spread


@dataclass
class KnownRead(Message):
    """What the words of a filter can be completed with was read."""

    known: Mapping[str, Sequence[str]]


@dataclass
class PreviewRead(Message):
    """The solutions of a tree in a list were read."""

    preview: Preview


@dataclass
class TreeRead(Message):
    """A search was read, of the store at ``version``."""

    version: int
    opened: OpenedTree


@dataclass
class ChangesFound(Message):
    """The positions at which the answer of a search changed were found."""

    changes: tuple[int, ...]


@dataclass
class LabelsRead(Message):
    """The quality values of a search were read again."""

    version: int
    labels: dict[str, tuple[float | None, ...]]


@dataclass
class ReadFailed(Message):
    """The store could not be read; ``reason`` is one line for the person at the keyboard."""

    reason: str


@dataclass
class VersionRead(Message):
    """The store has this version now."""

    version: int
