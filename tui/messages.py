"""What worker threads tell the screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store.records import Progress
    from tui.compare.pages import ComparedPage, MatrixPage, RowRead
    from tui.replay.bookmarks import Bookmark
    from tui.runs.page import Differences, RunPage, SamplePage
    from tui.snapshots import OpenedTree, RunDetail, RunList
    from tui.trees.pages import Preview, Spread, TreePage


@dataclass
class RunsRead(Message):
    """The runs of the store were read."""

    runs: RunList


@dataclass
class RunsProgressRead(Message):
    """How far the runs are that are written now was read."""

    progress: dict[str, Progress]


@dataclass
class RunRead(Message):
    """What one run has done was read."""

    detail: RunDetail


@dataclass
class RunPageRead(Message):
    """The page of a run was read."""

    page: RunPage


@dataclass
class ProgressRead(Message):
    """How far a run has come was read; None: no process writes it."""

    progress: Progress | None


@dataclass
class DifferencesRead(Message):
    """The settings of a run were compared with those of another."""

    differences: Differences


@dataclass
class SamplesRead(Message):
    """A page of samples was read."""

    page: SamplePage


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
class BookmarksRead(Message):
    """The bookmarks of a search were read."""

    found: tuple[Bookmark, ...]


@dataclass
class LabelsRead(Message):
    """The quality values of a search were read again."""

    version: int
    labels: dict[str, tuple[float | None, ...]]


@dataclass
class PageMade(Message):
    """A replay was drawn as an HTML page, which is to be saved as ``name``."""

    name: str
    page: str


@dataclass
class SidesCompared(Message):
    """Two sides were compared, as a request with this number asked for."""

    page: ComparedPage
    request: int


@dataclass
class ContrastRead(Message):
    """Another row of a comparison was worked out."""

    row: RowRead


@dataclass
class MatrixRead(Message):
    """Several sides were compared."""

    page: MatrixPage


@dataclass
class PairOpened(Message):
    """Two searches were read, of the store at ``version``."""

    version: int
    a: OpenedTree
    b: OpenedTree


@dataclass
class PairChangesFound(Message):
    """The positions at which the answers of two searches changed were found."""

    a: tuple[int, ...]
    b: tuple[int, ...]


@dataclass
class ReadFailed(Message):
    """The store could not be read; ``reason`` is one line for the person at the keyboard."""

    reason: str


@dataclass
class VersionRead(Message):
    """The store has this version now."""

    version: int
