"""What the other events did: steps that came, values, rollouts, backups, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.replay.reasons.rows import (
    bar_cells,
    left_out,
    name,
    number_setting,
    scored,
    shown,
    text_of,
    title,
    value_bar,
)
from tui.styled import Line, Style, block, line
from tui.text import decimal, label, safe_text, verdict

if TYPE_CHECKING:
    from store.events import BackedUp, Critiqued, Expanded, Extended, RolledOut, Step, Valued, Verified
    from tui.replay.player import Player

_MOST = 200
"""Rows of a table of nodes; deep searches back up to thousands."""


def explain_backup(player: Player, event: BackedUp, width: int) -> list[Line]:
    """Each node from the leaf to the root: N and V before and after."""
    lines = [line(("V = Σ N·V / Σ N over the visited children; N + 1", "dim"))]
    lines += [_before_after(player, node) for node in event.nodes[:_MOST]]
    return lines + left_out(len(event.nodes) - _MOST if len(event.nodes) > _MOST else 0, "nodes")


def _before_after(player: Player, number: int) -> Line:
    node, before = player.tree.nodes[number], player.before(number)
    old = 0.0 if before is None else before.value
    visits = 0 if before is None else before.visits
    change = node.value - old
    style: Style = "dim" if abs(change) < 0.0005 else "good" if change > 0 else "bad"
    return (
        *name(number),
        *line(f"N {visits}→{node.visits}  V {decimal(old)} → ", (decimal(node.value), "value", node.value)),
        *line((f"  {change:+.3f}", style)),
    )


def explain_expansion(player: Player, event: Expanded, width: int) -> list[Line]:
    """The steps that came: how often each was sampled, its log-probability, and the child that it is."""
    if not event.steps:
        return [line(("the policy had nothing to add", "dim"))]
    children = {node.step.text: node.id for node in player.tree.children(event.node) if node.step}
    lines = [line(("samples of equal text are one child", "dim"))]
    rows = list(zip(event.steps, event.samples, strict=True))
    kept, rest = shown(rows, [False] * len(rows), _MOST)
    for step, samples in kept:
        child = children.get(step.text, event.node)
        new = "new" if child in player.joined else "was there"
        times = "" if samples == 1 else f", {samples} samples are one"
        lines += _step_lines(child, step, f"{new}{times}", width)
    return lines + left_out(rest, "steps")


def explain_trace(player: Player, event: Extended, width: int) -> list[Line]:
    """The steps of a sampled trace, and which of them were in the tree before."""
    end = player.tree.traces[event.node][-1]
    members = player.tree.path(end)[-len(event.steps) :] if event.steps else []
    lines = [line(("steps that were there already are walked, not repeated", "dim"))]
    for node, step in list(zip(members, event.steps, strict=False))[:_MOST]:
        lines += _step_lines(node.id, step, "new" if node.id in player.joined else "was there", width)
    return lines + left_out(max(len(members) - _MOST, 0), "steps")


def _step_lines(node: int, step: Step, what: str, width: int) -> list[Line]:
    tokens = f"{len(step.tokens):,} tokens"
    chance = "" if step.logprob is None else f", log-prob {step.logprob:.2f}"
    ended = ", the end of the text" if step.ended else ""
    return [
        (*name(node), *line((f"{what}, {tokens}{chance}{ended}", "dim"))),
        line(f"    {label(step.text, max(width - 5, 10))}"),
    ]


def explain_values(player: Player, event: Valued, width: int) -> list[Line]:
    """What the value model said, the best first."""
    rows = sorted(zip(event.values, event.nodes, strict=True), key=lambda row: -row[0])
    kept, rest = shown(rows, [False] * len(rows), _MOST)
    cells = bar_cells(width, 40)
    lines = []
    for value, node in kept:
        text = text_of(player.tree, node, max(width - cells - 16, 8))
        lines.append((*name(node), value_bar(value, cells), *line(f" {value:.3f}  ", (text, "dim"))))
    return lines + left_out(rest, "nodes")


def explain_rollout(player: Player, event: RolledOut, width: int) -> list[Line]:
    """The steps of a rollout with their values, and what the best of them makes of V."""
    alpha, before = number_setting(player, "alpha"), player.before(event.node)
    old = None if before is None else scored(before)
    rule = "V = (1 - α)·V + α·v_max" + ("" if alpha is None else f" with α = {alpha:g}")
    lines = [
        line(("greedy steps that do not join the tree", "dim")),
        line(f"v_max {event.best:.3f}  V {decimal(old)} → ", (decimal(event.value), "value", event.value)),
        line((rule, "dim")),
    ]
    for number, step in enumerate(event.steps):
        value = event.values[number] if number < len(event.values) else None
        lines.append(
            (*line((f"step {number + 1:<3}", "dim")), value_bar(value, 10), *line(f" {decimal(value)}"))
        )
        lines += block(safe_text(step.text.rstrip("\n"), limit=10_000))
    return lines if event.steps else [*lines, line(("no steps: the node is finished", "dim"))]


def explain_judgement(player: Player, event: Critiqued, width: int) -> list[Line]:
    """Whether the partial solution is a whole one, and what it answers."""
    lines = [line("a whole solution" if event.finished else "not a whole solution")]
    if event.finished:
        lines.append(line(("answer  ", "dim"), safe_text(event.answer or "none", one_line=True, limit=2000)))
    if event.advice:
        lines.append(line((f"advice  {safe_text(event.advice, one_line=True, limit=2000)}", "mark")))
    return lines


def explain_verdicts(player: Player, event: Verified, width: int) -> list[Line]:
    """The verdict on each finished node."""
    rows: list[tuple[int, bool | None]] = list(zip(event.nodes, event.correct, strict=True))
    rows += [(node, None) for node in event.unverified]
    kept, rest = shown(rows, [False] * len(rows), _MOST)
    lines = [line(("oracle  ", "dim"), label(player.record.header.oracle, max(width - 8, 10)))]
    for node, correct in kept:
        style: Style = "dim" if correct is None else "good" if correct else "bad"
        answer = label(player.tree.nodes[node].answer, max(width - 24, 10))
        value = decimal(scored(player.tree.nodes[node]))
        lines.append((*name(node), *line((f"{verdict(correct)} ", style), answer, (f"  V {value}", "dim"))))
    return [*lines, *left_out(rest, "nodes"), title("", "V is what the search made of it")]
