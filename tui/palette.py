"""Going to a run or a tree from the command palette."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from store.errors import RestmctsError
from tui.places import place_of
from tui.screens.base import StoreScreen

if TYPE_CHECKING:
    from store.index.reader import StoreReader

_Place = tuple[str, str | None]
"""A run, and a tree in it or None for its list of trees."""


class GoProvider(Provider):
    """Offers every run by name, and a tree for a number or for ``<run>/<phase>/<number>``."""

    async def discover(self) -> Hits:
        for place in await self._places(""):
            yield DiscoveryHit(Content(_title(place)), partial(self._go, place), text=_title(place))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for place in await self._places(query.strip()):
            title = _title(place)
            score = 1.0 if place[1] is not None else matcher.match(title)
            if score > 0:
                shown = Content(title) if place[1] is not None else matcher.highlight(title)
                yield Hit(score, shown, partial(self._go, place), text=title)

    async def _places(self, query: str) -> list[_Place]:
        screen = self.screen
        if not isinstance(screen, StoreScreen):
            return []
        run = getattr(screen, "run_name", None)
        try:
            return await asyncio.to_thread(_places, screen.reader, run, query)
        except RestmctsError as error:
            screen.show_problem(str(error))
            return []

    def _go(self, place: _Place) -> None:
        screen = self.screen
        if isinstance(screen, StoreScreen):
            screen.open(place_of(*place))


def _title(place: _Place) -> str:
    run, tree = place
    return f"Run {run}" if tree is None else f"Tree {run}/{tree}"


def _places(reader: StoreReader, run: str | None, query: str) -> list[_Place]:
    """The runs, and the trees that ``query`` may name: a number alone is looked for in each phase."""
    runs = [summary.name for summary in reader.runs()]
    name, _, tree = query.partition("/")
    trees: list[_Place] = []
    if query.isdecimal() and run is not None:
        trees = [(run, f"{phase.name}/{query}") for phase in reader.phases(run) if phase.trees]
    elif name in runs and tree.rpartition("/")[2].isdecimal() and "/" in tree:
        trees = [(name, tree)]
    elif run is not None and "/" in query and query.rpartition("/")[2].isdecimal():
        trees = [(run, query)]
    return [*trees, *((known, None) for known in runs)]
