"""Why a posterior search draws its next step where it does."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from store.answering.gains import Gains, empty_draws, gains
from tui.replay.reasons.rows import bar_cells, figure, left_out, name, number_setting, shown, title, value_bar
from tui.styled import Line, line

if TYPE_CHECKING:
    from store.events import Selected
    from tui.replay.player import Player

_AGAIN = "figures of the tree as it is now; the search has those of when it last drew below each node"
_LEVELS = 60
"""Levels of a walk that are shown, those nearest to its end."""


def explain_posterior(player: Player, event: Selected, width: int) -> list[Line]:
    """Every level of the walk: shares of the right next step, and what a step below is worth."""
    found = gains_at(player, event)
    way = [0, *(node.id for node in player.tree.path(event.node))]
    lines = [line(("down to the child with the largest share · gain, while that is more than here", "dim"))]
    for parent, child in list(pairwise(way))[-_LEVELS:]:
        lines += [line(), *_level(player, found, parent, child, width)]
    lines += [line(), title(f"draws at #{event.node}", f": {_here(found, event.node)}")]
    if player.tree.nodes[event.node].children:
        lines += _level(player, found, event.node, None, width)
    if not any(node.finished for node in player.tree.nodes):
        lines.append(line(("before the first solution the search follows what it has just drawn", "dim")))
    return [*lines, line((_AGAIN, "dim"))]


def gains_at(player: Player, event: Selected) -> Gains:
    """The gains of all nodes when ``event``, the last one, selected its node."""
    attempts, deepest = number_setting(player, "attempts"), number_setting(player, "depth")
    misses = empty_draws(player.events[: player.position - 1])
    given_up = () if attempts is None else (node for node, count in misses.items() if count >= attempts)
    return gains(
        player.tree,
        player.constants,
        closed={*event.running, *given_up},
        deepest=None if deepest is None else int(deepest),
    )


def _here(found: Gains, node: int) -> str:
    share = found.shares[node]
    return f"gain {figure(found.own[node])}, the right step is not drawn yet with u = {figure(share.undrawn)}"


def _level(player: Player, found: Gains, parent: int, chosen: int | None, width: int) -> list[Line]:
    pairs = zip(player.tree.nodes[parent].children, found.shares[parent].children, strict=True)
    rows = sorted(
        ((share * found.gain[child], child, share) for child, share in pairs), key=lambda row: -row[0]
    )
    kept, rest = shown(rows, [child == chosen for _, child, _ in rows])
    cells = bar_cells(width, 38)
    arrow = "" if chosen is None else f" → #{chosen}"
    lines = [
        title(
            f"#{parent}{arrow}",
            f"  here {figure(found.own[parent])}, not drawn yet u {_undrawn(found, parent)}",
        )
    ]
    for worth, child, share in kept:
        figures = f" q {figure(share)} · {figure(found.gain[child])} = "
        total = line(figures, (figure(worth), "bold" if child == chosen else ""))
        lines.append((*name(child, child == chosen), value_bar(share, cells), *total))
    return [*lines, *left_out(rest)]


def _undrawn(found: Gains, node: int) -> str:
    return figure(found.shares[node].undrawn)
