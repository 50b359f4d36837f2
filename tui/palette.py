"""The command line of the screens: the words of the shell, completed from the store."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from store.errors import RestmctsError
from store.index.names import Found
from store.index.sides import side_name, sides_of
from store.queries import Side
from tui.places import ComparePlace, place_of
from tui.screens.base import StoreScreen
from tui.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.index.reader import StoreReader


@dataclass(frozen=True, slots=True)
class Command:
    """What can be typed, what it does in words, and the action of the application that does it."""

    words: str
    meaning: str
    action: str


COMMANDS = (
    Command("runs", "all runs of the store", "runs"),
    Command("theme", "choose the colours", "change_theme"),
    Command("help", "keys and marks of this screen", "help"),
    Command("quit", "leave restmcts", "quit"),
)
"""Commands that are the same in every store.

There are ``open RUN/PHASE/NUMBER``, ``compare A B`` and ``theme NAME`` too.
"""

_OFFERED = 20
"""So many comparisons are offered."""

_LONGEST = 1_000
"""Characters of a command that are shown."""


class CommandProvider(Provider):
    """Offers the commands, every run, phase and tree that what is typed may name, and the themes."""

    async def discover(self) -> Hits:
        for command in COMMANDS:
            yield DiscoveryHit(Content(command.words), partial(self._act, command), help=command.meaning)
        for found in await self._found(""):
            yield DiscoveryHit(Content(_words(found)), partial(self._go, found), text=_words(found))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        named = query.strip().removeprefix("open ").strip()
        for command in (*COMMANDS, *self._themes()):
            if (score := matcher.match(command.words)) > 0:
                shown = matcher.highlight(command.words)
                act = partial(self._act, command)
                yield Hit(score, shown, act, text=command.words, help=command.meaning)
        for sides in await self._compared(query):
            # The names of methods are what a store holds.
            words = safe_text(f"compare {shlex.join(map(side_name, sides))}", one_line=True, limit=_LONGEST)
            yield Hit(1.0, Content(words), partial(self._compare, sides), text=words)
        for found in await self._found(named):
            words = _words(found)
            exact = named == name_of(found) or found.tree is not None
            score = 1.0 if exact else matcher.match(words)
            if score > 0:
                shown = Content(words) if exact else matcher.highlight(words)
                yield Hit(score, shown, partial(self._go, found), text=words)

    def _themes(self) -> Iterator[Command]:
        for name in sorted(self.app.available_themes):
            yield Command(f"theme {name}", "", f"use_theme('{name}')")

    async def _found(self, query: str) -> list[Found]:
        screen = self.screen
        if not isinstance(screen, StoreScreen):
            return []
        run = getattr(screen, "run_name", None)
        try:
            return await asyncio.to_thread(matching, screen.reader, run, query)
        except RestmctsError as error:
            screen.show_problem(str(error))
            return []

    async def _compared(self, query: str) -> list[tuple[Side, Side]]:
        screen, words = self.screen, query.split()
        if not isinstance(screen, StoreScreen) or words[:1] != ["compare"]:
            return []
        run = getattr(screen, "run_name", None)
        try:
            return await asyncio.to_thread(comparable, screen.reader, run, query.strip()[len("compare") :])
        except RestmctsError as error:
            screen.show_problem(str(error))
            return []

    def _compare(self, sides: tuple[Side, Side]) -> None:
        screen = self.screen
        if isinstance(screen, StoreScreen):
            screen.open(ComparePlace(*sides))

    async def _act(self, command: Command) -> None:
        await self.app.run_action(command.action)

    def _go(self, found: Found) -> None:
        screen = self.screen
        if isinstance(screen, StoreScreen):
            screen.open(place_of(found.run, found.tree, found.phase))


def name_of(found: Found) -> str:
    """The name by which the shell opens a place."""
    last = found.tree if found.tree is not None else found.phase
    return found.run if last is None else f"{found.run}/{last}"


def _words(found: Found) -> str:
    return f"open {name_of(found)}"


def matching(reader: StoreReader, here: str | None, query: str) -> list[Found]:
    """The places that ``query`` may name, all of which exist: trees, then phases, then runs.

    A number alone, or a phase and a number, is a tree of the run ``here``.
    """
    runs = [summary.name for summary in reader.runs()]
    run, _, rest = query.partition("/")
    if run not in runs:
        run, rest = here or "", query
    if not run:
        return [Found(known) for known in runs]
    phase, _, number = rest.rpartition("/")
    trees = [Found(run, tree.rpartition("/")[0], tree) for tree in _numbered(reader, run, number)]
    wanted = [tree for tree in trees if phase in ("", tree.phase)]
    phases = [Found(run, each.name) for each in reader.phases(run) if each.trees]
    named = "/" in query or (rest and not rest.isdecimal())
    return [*wanted, *(phases if named else []), *map(Found, runs)]


def _numbered(reader: StoreReader, run: str, number: str) -> list[str]:
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        return []
    return reader.numbered(run, int(number))


def comparable(reader: StoreReader, here: str | None, query: str) -> list[tuple[Side, Side]]:
    """The pairs of sides that two words may name, all of which exist.

    A word is the name of a side, or a part of it; a run alone is a side too. The second may be missing.
    """
    try:
        words = shlex.split(query)
    except ValueError:  # a quotation that has not ended yet
        words = query.replace("'", " ").replace('"', " ").split()
    if len(words) > 2:
        return []
    runs = [summary.name for summary in reader.runs()]
    first, second = [*words, "", ""][:2]
    found = product(_sides(reader, runs, here, first), _sides(reader, runs, here, second))
    return list(islice((pair for pair in found if pair[0] != pair[1]), _OFFERED))


def _sides(reader: StoreReader, runs: list[str], here: str | None, word: str) -> list[Side]:
    """The sides whose names hold a word: runs first, then those of the run that is named or shown."""
    wanted = word.casefold()
    run = next((run for run in runs if word.startswith(f"{run}/")), here)
    whole = [Side(each, "", "") for each in runs if wanted in each.casefold()]
    within = [] if run is None else sides_of(reader, run)
    named = [side for side in within if wanted in side_name(side).casefold()]
    exact = [side for side in named if side_name(side) == word]
    return exact or [*whole, *named]
