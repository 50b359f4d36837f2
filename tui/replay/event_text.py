"""What an event did, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.events import (
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    Extended,
    RolledOut,
    Selected,
    Stopped,
    Valued,
    Verified,
)
from tui.text import decimal, label, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 5
"""Nodes named one by one; the rest is counted."""

REASONS = {
    "answered": "the method ran to its end",
    "gate": "a node reached the stop threshold",
    "rounds": "the limit of rounds",
    "samples": "the limit of samples",
    "budget": "the token budget",
    "exhausted": "nothing left to expand",
    "failed": "an engine refused",
}
"""Why a search ended, in words."""


def describe(event: Event | None, joined: range) -> str:
    """One sentence about ``event``, which added the nodes ``joined``; safe to show."""
    if event is None:
        return "nothing has happened yet"
    if isinstance(event, Selected):
        return f"selected {_name(event.node)}"
    if isinstance(event, Critiqued):
        return _critiqued(event)
    if isinstance(event, Expanded):
        return _expanded(event, joined)
    if isinstance(event, Extended):
        return _extended(event, joined)
    if isinstance(event, RolledOut):
        return _rolled_out(event)
    if isinstance(event, Stopped):
        return _stopped(event)
    return _about_many(event)


def cost(cost: Cost) -> str:
    """What an event took, in words; empty when it was free."""
    parts = ((cost.policy, "policy"), (cost.critic, "critic"), (cost.value, "value"))
    return ", ".join(f"{number:,} {name}" for number, name in parts if number)


def _name(node: int) -> str:
    return f"node {node}" if node else "the root"


def _names(nodes: range) -> str:
    if len(nodes) == 1:
        return f"node {nodes.start}"
    return f"nodes {nodes.start} to {nodes.stop - 1}"


def _critiqued(event: Critiqued) -> str:
    if not event.finished:
        advice = " and gave advice" if event.advice else ""
        return f"judged {_name(event.node)}: not finished{advice}"
    answer = "no answer" if event.answer is None else f"answer {label(event.answer, 40)}"
    return f"judged {_name(event.node)}: finished, {answer}"


def _expanded(event: Expanded, joined: range) -> str:
    samples = _plural(sum(event.samples), "sample")
    if not joined:
        return f"expanded {_name(event.node)}: nothing new, from {samples}"
    return f"expanded {_name(event.node)}: {_names(joined)} joined, from {samples}"


def _extended(event: Extended, joined: range) -> str:
    new = f"{_names(joined)} new" if joined else "none new"
    return f"a sampled trace below {_name(event.node)}: {_plural(len(event.steps), 'step')}, {new}"


def _rolled_out(event: RolledOut) -> str:
    steps = f"{_plural(len(event.steps), 'step')} from {_name(event.node)}"
    return f"rolled out {steps}, best {decimal(event.best)}: V {decimal(event.value)}, N {event.visits}"


def _stopped(event: Stopped) -> str:
    reason = REASONS.get(event.reason, label(event.reason, 20))
    answer = "without an answer" if event.answer is None else f"with {label(event.answer, 40)}"
    place = "" if event.node is None else f" from {_name(event.node)}"
    message = "" if event.message is None else f" ({label(event.message, 200)})"
    return f"ended {answer}{place}: {reason}{message}"


def _about_many(event: Valued | BackedUp | Verified) -> str:
    if isinstance(event, Valued):
        values = [f"{node}: {decimal(value)}" for node, value in zip(event.nodes, event.values, strict=True)]
        return f"scored {_listed(values)}"
    if isinstance(event, BackedUp):
        rows = zip(event.nodes, event.visits, event.values, strict=True)
        nodes = [f"{node}: V {decimal(value)} N {visits}" for node, visits, value in rows]
        return f"backed up {_listed(nodes)}"
    marks = [f"{node} {verdict(correct)}" for node, correct in zip(event.nodes, event.correct, strict=True)]
    marks += [f"{node} {verdict(None)}" for node in event.unverified]
    return f"compared with the oracle {_listed(marks)}"


def _listed(parts: Sequence[str]) -> str:
    rest = len(parts) - _NAMED
    return ", ".join(parts[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
