"""Why a node was selected: every level of the walk down from the root, with what was compared there."""

from __future__ import annotations

from itertools import pairwise
from math import exp
from typing import TYPE_CHECKING

from store.events import Selected
from store.selection import Candidate, allowed_children, candidates, pending_visits
from tui.replay.reasons.posterior import explain_posterior
from tui.replay.reasons.rows import (
    bar_cells,
    count_of,
    left_out,
    name,
    number_setting,
    plural,
    scored,
    shown,
    title,
    two_bars,
    value_bar,
)
from tui.styled import Line, line
from tui.text import decimal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.tree import Node
    from tui.replay.player import Player

_LEVELS = 60
"""Levels of a walk that are shown, those nearest to its end."""
_WIDEST = 1e6
"""A larger setting of progressive widening is none that a search had."""
_BALANCE = "balance"
"""The setting of methods that share samples out by the exponential of V."""


def explain_selection(player: Player, event: Selected, width: int) -> list[Line]:
    """The lines about a selection."""
    if player.record.header.method == "posterior-search":
        return explain_posterior(player, event, width)
    if number_setting(player, "exploration") is None or number_setting(player, "unvisited_bonus") is None:
        return _peers(player, event, width)
    lines = [line(("at each level the child with the largest V + exploration term", "dim"))]
    for parent, child, only in walk_levels(player, event.node):
        if only:
            times = "the only child" if only == 1 else f"{only:,} steps down, each the only child"
            lines += [line(), title(f"#{parent} → #{child}", f"  {times}")]
        else:
            lines += [line(), *level_lines(player, parent, width, chosen=child)]
    return [*lines, line(), *_end(player, event)]


def walk_levels(player: Player, node: int) -> list[tuple[int, int, int]]:
    """The levels of the walk from the root to ``node``: from where, to where, over how many only children.

    Levels where there was nothing to choose are one where they follow each other. The number of only children
    is 0 where there was a choice. Of a long walk the last levels are given.
    """
    levels: list[tuple[int, int, int]] = []
    way = [0, *(member.id for member in player.tree.path(node))]
    for parent, child in pairwise(way):
        only = int(len(player.tree.nodes[parent].children) == 1)
        if only and levels and levels[-1][2]:
            start, _, steps = levels.pop()
            levels.append((start, child, steps + 1))
        else:
            levels.append((parent, child, only))
    return levels[-_LEVELS:]


def compared(player: Player, parent: int) -> list[Candidate]:
    """The children of ``parent`` in their order, as a selection compares them.

    At a selection these are the terms that it compared, with the visits of running rounds. The exploration
    terms are None where the search has no such settings.
    """
    exploration = number_setting(player, "exploration")
    bonus = number_setting(player, "unvisited_bonus")
    if exploration is None or bonus is None:
        return [Candidate(child.id, child.value, child.visits) for child in player.tree.children(parent)]
    event = player.event if isinstance(player.event, Selected) else None
    return candidates(player.tree, player.tree.nodes[parent], exploration, bonus, event)


def level_lines(
    player: Player, parent: int, width: int, *, chosen: int | None = None, cursor: int | None = None
) -> list[Line]:
    """The children of ``parent`` by their sums; ``chosen`` is the one that was taken, if any was."""
    rows = sorted(compared(player, parent), key=lambda row: -1.0 if row.total is None else -1.0 - row.total)
    marked = [row.node in (chosen, cursor) for row in rows]
    kept, rest = shown(rows, marked)
    most = max((row.total for row in rows if row.total is not None), default=1.0)
    arrow = "" if chosen is None else f" → #{chosen}"
    lines = [title(f"#{parent}{arrow}", f"  {count_of(len(rows))}")]
    picked = cursor if chosen is None else chosen
    lines += [_row(player, row, most, width, row.node == picked) for row in kept]
    return [*lines, *left_out(rest), *([] if chosen is None else [_margin(rows, chosen)])]


def _row(player: Player, row: Candidate, most: float, width: int, chosen: bool) -> Line:
    cells = bar_cells(width, 36)
    node = player.tree.nodes[row.node]
    if row.total is None or row.extra is None:
        why = _closed(player, row)
        value = f"V {decimal(scored(node))} N {row.visits}"
        return (*name(row.node, chosen), *line((f"{value}  {why}" if why else value, "dim")))
    star = "*" if row.visits == 0 else " "
    figures = f" {row.value:.3f} + {row.extra:.3f}{star}= "
    total = line(figures, (f"{row.total:.3f}", "bold" if chosen else ""), (f"  N {row.visits}", "dim"))
    return (*name(row.node, chosen), *two_bars(row.value, row.extra, most, cells), *total)


def _closed(player: Player, row: Candidate) -> str:
    """Why a child took no part in a comparison."""
    event = player.event
    if not isinstance(event, Selected) or row.node not in event.exhausted:
        return ""
    if player.tree.nodes[row.node].finished:
        return "✕ closed: finished"
    return "✕ closed: a round runs there" if row.node in event.running else "✕ closed: nothing new below"


def _margin(rows: Sequence[Candidate], chosen: int) -> Line:
    own = next((row.total for row in rows if row.node == chosen), None)
    others = [(row.total, row.node) for row in rows if row.total is not None and row.node != chosen]
    if own is None or not others:
        return line(("  no other one was open", "dim"))
    total, other = max(others)
    if own == total:
        return line((f"  equal to #{other}: chance decided", "dim"))
    word = "ahead of" if own > total else "behind"
    return line((f"  {word} #{other} by {abs(own - total):.3f}", "dim"))


def _end(player: Player, event: Selected) -> list[Line]:
    """Why the walk ended at the selected node, and what it counted on the way."""
    node = player.tree.nodes[event.node]
    lines = [title(f"ends at #{node.id}", f": {_why_here(player, node, event)}")]
    lines += _widened(player, event)
    if event.running:
        lines.append(line((f"N counts the visits of {len(event.running)} running rounds", "dim")))
    rows = (row for above in player.tree.ancestors(event.node) for row in compared(player, above.id))
    if any(row.extra is not None and row.visits == 0 for row in rows):
        lines.append(line(("* bonus of an unvisited child", "dim")))
    return lines


def _why_here(player: Player, node: Node, event: Selected) -> str:
    if node.finished:
        return "finished, the round costs no token"
    if not node.expanded:
        return "not expanded yet"
    allowed = _allowed(player, node, event)
    if allowed is not None and allowed[0] < allowed[1]:
        return f"{allowed[0]} of {allowed[1]} allowed children, gets a further one"
    return "no open child"


def _allowed(player: Player, node: Node, event: Selected) -> tuple[int, int] | None:
    """The children that a node has, running rounds included, and may have; None without widening."""
    widening = number_setting(player, "widening")
    if widening is None or not 0 <= widening <= _WIDEST:
        return None
    visits = node.visits + pending_visits(player.tree, event.running)[node.id]
    if visits < 0:
        return None
    return len(node.children) + event.running.count(node.id), allowed_children(visits, widening)


def _widened(player: Player, event: Selected) -> list[Line]:
    """By progressive widening, how many children the nodes on the way had and might have."""
    parts = []
    for node in reversed(list(player.tree.ancestors(event.node))):
        allowed = _allowed(player, node, event)
        if allowed is not None:
            parts.append(f"#{node.id} {allowed[0]}/{allowed[1]}")
    return [line((f"children, of those allowed: {', '.join(parts)}", "dim"))] if parts else []


def _peers(player: Player, event: Selected, width: int) -> list[Line]:
    """For methods that go down by depth: the nodes of the same depth by V, with those that go on."""
    depth = player.tree.nodes[event.node].depth
    peers = sorted((node for node in player.tree.nodes if node.depth == depth), key=lambda node: -node.value)
    taken = _selected_together(player)
    kept, rest = shown(peers, [node.id in taken for node in peers])
    shares = _shares(player, peers)
    lines = [title(f"depth {depth}", f": {len(taken)} of {len(peers):,} nodes go on")]
    for node in kept:
        value = scored(node)
        share = f"  {shares[node.id]:.0%} of the samples" if node.id in shares else ""
        ended = "  finished" if node.finished else ""
        rest_ = f" V {decimal(value)}  {plural(node.samples, 'sample')}{ended}{share}"
        cells = bar_cells(width, 40)
        lines.append((*name(node.id, node.id in taken), value_bar(value, cells), *line((rest_, ""))))
    note = "▸ goes on; samples are shared out by exp(V / balance)" if shares else "▸ goes on"
    return [*lines, *left_out(rest, "nodes"), line((note, "dim"))]


def _selected_together(player: Player) -> set[int]:
    """The nodes of the selections that stand one after the other, this one among them."""
    events, place = player.events, player.position - 1
    start, end = place, place
    while start and isinstance(events[start - 1], Selected):
        start -= 1
    while end < len(events) and isinstance(events[end], Selected):
        end += 1
    return {event.node for event in events[start:end] if isinstance(event, Selected)}


def _shares(player: Player, peers: Sequence[Node]) -> dict[int, float]:
    balance = number_setting(player, _BALANCE)
    openings = [node for node in peers if not node.finished and node.parent is not None]
    if not balance or balance < 0 or not openings:
        return {}
    highest = max(node.value for node in openings)
    weights = {node.id: node.samples * exp((node.value - highest) / balance) for node in openings}
    whole = sum(weights.values())
    return {node: weight / whole for node, weight in weights.items()} if whole else {}
