"""Moments of a search that a reader wants to go to: solutions, mistakes, changes of the answer, bookmarks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.answering.rules import RULES
from store.events import BackedUp, Critiqued, Event, Expanded, Extended, RolledOut, Valued
from store.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.answering.constants import AnswerConstants
    from store.events import SearchRecord
    from tui.replay.player import Player
    from tui.replay.survey import Survey
    from tui.replay.truth import Truth

_WORK = 20_000_000
"""Nodes looked at to find the changes of an answer; in a larger search, fewer moments are looked at."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to go: a position, and the node to look at there, if one was asked for."""

    position: int
    node: int | None = None


def target_of(player: Player, text: str) -> Target | None:
    """Where ``text`` leads: ``151`` an event, ``r12`` a round, ``t200`` tokens spent, ``#17`` a node.

    None where it is none of these, or names a round or a node that there is not.
    """
    kind, digits = (text[:1], text[1:]) if text[:1] in ("r", "t", "#") else ("", text)
    digits = digits.strip().replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):
        return None
    number, found = int(digits), player.survey
    if kind == "r":
        return Target(found.rounds[number - 1]) if 1 <= number <= len(found.rounds) else None
    if kind == "t":
        return Target(min(bisect_left(found.tokens, number), player.length))
    if kind == "#":
        return _node(player, number)
    return Target(min(number, player.length))


def _node(player: Player, node: int) -> Target | None:
    if node >= len(player.survey.final.nodes):
        return None
    return Target(max(player.position, player.survey.joins(node)), node)


def next_of(positions: Sequence[int], position: int, direction: int) -> int | None:
    """The one of ``positions``, which rise, that comes after (1) or before (-1) ``position``."""
    place = bisect_right(positions, position) if direction > 0 else bisect_left(positions, position) - 1
    return positions[place] if 0 <= place < len(positions) else None


def spending_rounds(survey: Survey) -> list[int]:
    """The positions at which rounds begin that generated tokens."""
    return [start for number, start in enumerate(survey.rounds, 1) if survey.spent_in(number)]


def mistakes(survey: Survey, truth: Truth) -> list[int]:
    """The positions at which the first mistakes joined the tree."""
    return sorted({survey.joins(node) for node in truth.mistakes})


def answer_changes(record: SearchRecord, constants: AnswerConstants) -> tuple[int, ...]:
    """The positions at which the answer by the rule of the search is another one than before.

    The answer is worked out after the events that can change it; in a very large search after some of them,
    evenly spread, so that an answer that comes and goes in between is not seen.
    """
    rule = RULES.get(record.header.answer_by)
    if rule is None:
        return ()
    tree, answer = Tree(), None
    found: list[int] = []
    moments = 0
    every = max(len(record.events) * record.result.nodes // _WORK, 1)
    for position, event in enumerate(record.events, 1):
        if not _can_change(tree, event, rule.reads, tree.apply(event)):
            continue
        moments += 1
        if moments % every and position < len(record.events):
            continue
        given = rule.run(tree, constants)
        text = None if given is None else given.text
        if text != answer:
            found.append(position)
        answer = text
    return tuple(found)


def _can_change(tree: Tree, event: Event, reads: str, touched: list[int]) -> bool:
    if isinstance(event, Critiqued):
        return event.finished
    if reads == "path":
        return isinstance(event, Expanded | Extended | Valued | BackedUp | RolledOut)
    if isinstance(event, Expanded | Extended):  # shares of samples, and the samples of solutions
        return True
    return isinstance(event, Valued | BackedUp | RolledOut) and any(
        tree.nodes[node].finished for node in touched
    )
