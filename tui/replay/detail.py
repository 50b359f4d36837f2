"""Everything known about one node at one moment of a replay, as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from store.events import RolledOut, Selected, Step
from store.selection import Candidate, allowed_children, candidates, pending_visits
from tui.styled import Line, Style, block, line
from tui.text import decimal, label, safe_text

if TYPE_CHECKING:
    from store.tree import Node
    from tui.replay.player import Player

Labels = Mapping[str, tuple[float | None, ...]]
"""Quality values by the name of the rule: one a node, None where the rule gives none."""

_NAME = 9
_SIBLINGS = 200
"""Rows of the table of siblings; wide roots of sampling methods have thousands."""
_WIDEST = 1e6
"""A larger setting of progressive widening is none that a search had."""


def compared(player: Player, node: int) -> list[Candidate]:
    """``node`` and its siblings in their order, as a selection compares them; empty for the root.

    At a selection these are the terms that it compared, with the visits of running rounds. The exploration
    terms are None where the search has no such settings.
    """
    parent = player.tree.nodes[node].parent
    if parent is None:
        return []
    exploration, bonus = _setting(player, "exploration"), _setting(player, "unvisited_bonus")
    if exploration is None or bonus is None:
        return [Candidate(child.id, child.value, child.visits) for child in player.tree.children(parent)]
    return candidates(player.tree, player.tree.nodes[parent], exploration, bonus, _selection(player))


def _selection(player: Player) -> Selected | None:
    return player.event if isinstance(player.event, Selected) else None


def _setting(player: Player, name: str) -> float | None:
    setting = player.record.header.settings.get(name)
    return float(setting) if isinstance(setting, int | float) else None


def describe_node(player: Player, node: int, labels: Labels, *, whole: bool = False) -> list[Line]:
    """The lines of the detail pane: facts, rollout, step text, siblings.

    ``whole`` shows the partial solution from its first step instead of the last step alone.
    """
    chosen = player.tree.nodes[node]
    facts = [
        _title(chosen),
        *_facts(chosen),
        *_overridden(player, chosen),
        *_widening(player, chosen),
        *_label_lines(node, labels),
    ]
    body = _solution(player, node) if whole else _body(player, chosen)
    return [*facts, *_rollout(player, node), *body, *_siblings(player, node)]


def _title(node: Node) -> Line:
    place = "root" if node.parent is None else f"node {node.id}"
    below = "" if node.parent is None else f" below {node.parent}"
    return line((place, "bold"), (f"{below}, depth {node.depth}, {len(node.children)} children", "dim"))


def _facts(node: Node) -> list[Line]:
    value: Line = line(("V", "dim"), " " * (_NAME - 1), (decimal(node.value), "value", node.value))
    rows = [
        (*value, *line((f"  score before {decimal(node.score)}", "dim"))),
        _fact("N", f"{node.visits:,}", f"  samples {node.samples:,}"),
        _state(node),
    ]
    if node.step is not None:
        rows += _tokens(node.step)
    if node.answer is not None:
        rows.append(_fact("answer", label(node.answer, 200)))
    if node.advice:
        rows.append(line((f"{'advice':<{_NAME}}{safe_text(node.advice, one_line=True, limit=2000)}", "mark")))
    return rows


def _fact(name: str, value: str, rest: str = "", style: Style = "") -> Line:
    return line((f"{name:<{_NAME}}", "dim"), (value, style), (rest, "dim"))


def _state(node: Node) -> Line:
    if not node.finished:
        return _fact("state", "not finished" if node.critiqued else "not judged")
    if node.correct is None:
        return _fact("state", "finished", ", not verified")
    return _fact("state", "finished, correct", style="good") if node.correct else _wrong()


def _overridden(player: Player, node: Node) -> list[Line]:
    """That a person has given the verdict, and why."""
    override = player.overrides.get(node.answer or "")
    if override is None or not node.finished or node.correct is None:
        return []
    reason = safe_text(override.reason, one_line=True, limit=2000)
    return [line((f"{'override':<{_NAME}}{reason}", "mark"))]


def _wrong() -> Line:
    return _fact("state", "finished, wrong", style="bad")


def _tokens(step: Step) -> list[Line]:
    tokens = len(step.tokens)
    if step.logprob is None:
        return [_fact("tokens", f"{tokens:,}"), _fact("log-prob", "-")]
    each = f"  {step.logprob / tokens:.2f} a token" if tokens else ""
    return [_fact("tokens", f"{tokens:,}"), _fact("log-prob", f"{step.logprob:.2f}", each)]


def _label_lines(node: int, labels: Labels) -> list[Line]:
    rows = []
    for rule, values in sorted(labels.items()):
        value = values[node] if node < len(values) else None
        shade = 0.0 if value is None else value
        rows.append(line(("label    ", "dim"), (decimal(value), "value", shade), f"  {label(rule, 40)}"))
    return rows


def _widening(player: Player, node: Node) -> list[Line]:
    """At a selection by progressive widening: whether it stopped at this node to add a child."""
    selection, widening = _selection(player), _setting(player, "widening")
    if selection is None or widening is None or node.id not in _way(player):
        return []
    visits = node.visits + pending_visits(player.tree, selection.running)[node.id]
    if visits < 0 or not 0 <= widening <= _WIDEST:
        return []
    children = len(node.children) + selection.running.count(node.id)
    allowed = allowed_children(visits, widening)
    rest = ", gets a further one" if children < allowed else ""
    return [_fact("children", f"{children} of {allowed}", f" allowed, running rounds included{rest}")]


def _way(player: Player) -> set[int]:
    """The nodes from the root down to the node that is being selected."""
    selection = _selection(player)
    return {node.id for node in player.tree.ancestors(selection.node)} if selection else set()


def _siblings(player: Player, node: int) -> list[Line]:
    rows = compared(player, node)
    if not rows:
        return []
    best = max((row.total for row in rows if row.total is not None), default=None)
    place = next(number for number, row in enumerate(rows) if row.node == node)
    start = max(0, min(place - _SIBLINGS // 2, len(rows) - _SIBLINGS))
    lines = [line(), line((f"  {'child':>5} {'V':>6} {'N':>4} {'+':>6} {'sum':>6}", "title"))]
    way = _way(player)
    for row in rows[start : start + _SIBLINGS]:
        marked = [*_sibling(row, row.node == node, row.total is not None and row.total == best)]
        lines.append((*marked, *line((" ←", "mark"))) if row.node in way else tuple(marked))
    if len(rows) > _SIBLINGS:
        lines.append(line((f"  {_SIBLINGS} of {len(rows):,} children", "dim")))
    return lines + [line((f"  {note}", "dim")) for note in _notes(player, rows)]


def _notes(player: Player, rows: list[Candidate]) -> list[str]:
    """What the table of siblings needs said about it."""
    notes = []
    if any(row.extra is not None and row.visits == 0 for row in rows):
        notes.append("* bonus of an unvisited child")
    selection = _selection(player)
    if selection is None:
        parallel = _setting(player, "parallel_rounds") or 1
        return [*notes, "N and sum without the visits of running rounds"] if parallel > 1 else notes
    if any(row.node in _way(player) for row in rows):
        notes.append("← selected")
    if any(row.node in selection.exhausted for row in rows):
        notes.append("without a sum: passed over, exhausted or being expanded")
    if selection.running:
        notes.append(f"N counts the visits of {len(selection.running)} running rounds")
    return notes


def _sibling(row: Candidate, chosen: bool, best: bool) -> Line:
    extra = f"{decimal(row.extra):>6}" + ("*" if row.visits == 0 and row.extra is not None else " ")
    total: tuple[str, Style] = (f"{decimal(row.total):>6}", "bold" if best else "")
    return line(
        (f"{'▸' if chosen else ' '} {row.node:>5} ", "bold" if chosen else ""),
        (f"{decimal(row.value):>6}", "value", row.value),
        f" {row.visits:>4} {extra}",
        total,
    )


def _rollout(player: Player, node: int) -> list[Line]:
    """The steps of a rollout, when that is what has just happened at this node."""
    event = player.event
    if not isinstance(event, RolledOut) or event.node != node:
        return []
    lines = [line(), line((f"rollout, not in the tree, best {decimal(event.best)}", "title"))]
    if not event.steps:
        lines.append(line(("no steps", "dim")))
    for number, step in enumerate(event.steps):
        value = event.values[number] if number < len(event.values) else None
        shade = 0.0 if value is None else value
        lines.append(line((f"step {number + 1}  ", "dim"), (decimal(value), "value", shade)))
        lines += block(safe_text(step.text.rstrip("\n"), limit=10_000))
    return lines


def _body(player: Player, node: Node) -> list[Line]:
    if node.step is not None:
        return [line(), line(("step", "title")), *_step(node.step)]
    header = player.record.header
    lines = [*_examples(header.settings), line(), line(("problem", "title")), *_text(header.question)]
    if header.oracle is not None:
        lines += [line(), line(("oracle answer", "title")), *_text(header.oracle)]
    return lines + _settings(player)


def _examples(settings: Mapping[str, object]) -> list[Line]:
    """The solved examples that the policy was shown before the problem."""
    shown = settings.get("examples")
    lines: list[Line] = []
    for number, example in enumerate(shown if isinstance(shown, list) else [], 1):
        lines += [line(), line((f"solved example {number}", "title")), *_text("\n".join(map(str, example)))]
    return lines


def _text(text: str) -> list[Line]:
    return block(safe_text(text))


def _step(step: Step) -> list[Line]:
    ended: list[Line] = [line(("the policy ended its text here", "dim"))] if step.ended else []
    return [*_text(step.text.rstrip("\n")), *ended]


def _settings(player: Player) -> list[Line]:
    header = player.record.header
    facts: dict[str, object] = {"seed": header.seed, "budget": header.budget, "policy": header.policy}
    facts |= {"value": header.value, **header.settings}
    facts.pop("examples", None)
    rows = [line(f"{label(name, 30)}: {label(str(value), 200)}") for name, value in facts.items()]
    return [line(), line(("search", "title")), *rows]


def _solution(player: Player, node: int) -> list[Line]:
    lines: list[Line] = [line(), line(("partial solution", "title"))]
    for member in player.tree.path(node):
        assert member.step is not None
        lines.append(line((f"{member.id:>5}  ", "dim"), (decimal(member.value), "value", member.value)))
        lines += block(safe_text(member.step.text.rstrip("\n"), limit=10_000))
    return lines
