"""Everything known about one node at one moment of a replay, as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from store.events import Selected, Step
from tui.replay.reasons.rows import number_setting, scored
from tui.replay.reasons.selection import level_lines
from tui.styled import Line, Span, Style, block, line
from tui.text import decimal, label, safe_text

if TYPE_CHECKING:
    from store.tree import Node
    from tui.replay.player import Player
    from tui.replay.truth import Truth

Labels = Mapping[str, tuple[float | None, ...]]
"""Quality values by the name of the rule: one a node, None where the rule gives none."""

_NAME = 9


def describe_node(
    player: Player,
    node: int,
    labels: Labels,
    *,
    truth: Truth | None = None,
    whole: bool = False,
    width: int = 80,
) -> list[Line]:
    """The lines of the detail pane: facts, step text, and how the node compares with its siblings.

    Args:
        player: the replay.
        node: the node.
        labels: the quality values of the tree.
        truth: what the verdicts say; None while it is not to be shown.
        whole: show the partial solution from its first step instead of the last step alone.
        width: the cells of a line.
    """
    chosen = player.tree.nodes[node]
    facts = [
        _title(chosen),
        *_facts(chosen),
        *_overridden(player, chosen),
        *_on_the_right_way(chosen, truth),
        *_label_lines(node, labels),
    ]
    body = _solution(player, node) if whole else _body(player, chosen)
    return [*facts, *body, *_siblings(player, chosen, width)]


def _siblings(player: Player, node: Node, width: int) -> list[Line]:
    if node.parent is None:
        return []
    parallel = number_setting(player, "parallel_rounds") or 1
    note = [line(("N and sum without the visits of running rounds", "dim"))] if parallel > 1 else []
    if isinstance(player.event, Selected):
        note = []
    return [line(), *level_lines(player, node.parent, width, cursor=node.id), *note]


def _on_the_right_way(node: Node, truth: Truth | None) -> list[Line]:
    """What the verdicts say about a node."""
    if truth is None:
        return []
    if node.id in truth.mistakes:
        return [line(("! first mistake: only wrong solutions were found below", "bad"))]
    if node.id in truth.right and node.parent is not None:
        return [line(("+ on the way to a right solution", "good"))]
    return []


def _title(node: Node) -> Line:
    place = "root" if node.parent is None else f"node {node.id}"
    below = "" if node.parent is None else f" below {node.parent}"
    children = f"{len(node.children):,} {'child' if len(node.children) == 1 else 'children'}"
    return line((place, "bold"), (f"{below}, depth {node.depth}, {children}", "dim"))


def _facts(node: Node) -> list[Line]:
    known = scored(node)
    figure: Span = (decimal(known), "dim" if known is None else "value", node.value)
    value: Line = line(("V", "dim"), " " * (_NAME - 1), figure)
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
        shown: Span = (decimal(value), "dim", 0.0) if value is None else (decimal(value), "value", value)
        rows.append(line(("label    ", "dim"), (f"{label(rule, 40)}  ", "dim"), shown))
    return rows


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
