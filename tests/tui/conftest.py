"""A store as a run leaves it, written by the store's own writer."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from store.index.reader import StoreReader
from tests.tui.tui_support import Until, write_compared, write_demo
from tui.app import StoreApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.pilot import Pilot

# The searches that the tests of the store draw are good ones to replay too.


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the finished run ``demo``; tests only read it."""
    root = tmp_path_factory.mktemp("store")
    write_demo(root)
    return root


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the finished runs ``one`` and ``two``; tests only read it."""
    root = tmp_path_factory.mktemp("compared")
    write_compared(root)
    return root


@pytest.fixture
def both(pair: Path) -> Iterator[StoreReader]:
    with StoreReader(pair) as reader:
        yield reader


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys save pictures and pages in the working directory."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def reader(demo: Path) -> Iterator[StoreReader]:
    with StoreReader(demo) as reader:
        yield reader


@pytest.fixture
def app(reader: StoreReader) -> StoreApp:
    return StoreApp(reader)


@pytest.fixture
def until() -> Until:
    """Wait until a condition holds, letting the application go on."""

    async def wait(pilot: Pilot[None], condition: Callable[[], object]) -> None:
        end = monotonic() + 15
        while not condition():
            assert monotonic() < end, "waited 15 seconds in vain"
            await pilot.pause(0.01)
        await pilot.pause()

    return wait
