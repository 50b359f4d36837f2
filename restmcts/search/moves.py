"""Moves that several methods make: critique a node, draw steps, grow children.

Each is a generator of requests (:mod:`restmcts.search.requests`) that a method delegates to.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from restmcts.search.recorder import Recorder
from restmcts.search.requests import (
    Complete,
    Critique,
    Prefix,
    Propose,
    ProposeEach,
    Request,
    Trace,
    Value,
    Verdict,
)
from restmcts.search.settings import Method
from store.events import Critiqued, Expanded, Step, StopReason, Valued
from store.tree import Node

Moves = Generator[Request, Any, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a method ended; ``node`` where it has chosen the answer's node itself."""

    reason: StopReason
    node: int | None = None


def at_gate(node: Node, settings: Method) -> bool:
    """Whether a node reaches the stop threshold: the one rule that all methods share."""
    return node.value >= settings.end_gate and (settings.gate == "value" or node.finished)


def critique(recorder: Recorder, node: Node) -> Moves:
    """Settle whether ``node`` is finished; nothing is asked twice."""
    if node.critiqued:
        return
    verdict: Verdict = yield Critique(Prefix(node.id))
    recorder.emit(Critiqued(node.id, verdict.finished, verdict.answer, verdict.advice))


def declare_finished(recorder: Recorder, node: Node) -> Moves:
    """Mark ``node`` finished, whatever the critic thinks, with the answer that its text has."""
    verdict: Verdict = yield Critique(Prefix(node.id), declared=True)
    recorder.emit(Critiqued(node.id, True, verdict.answer))


def draw_steps(
    prefix: Prefix, n: int, attempts: int, advice: str | None = None
) -> Generator[Propose, list[Step | None], list[Step]]:
    """Sample ``n`` next steps; one that comes back empty is drawn again, ``attempts`` times in all.

    Draws are taken in the order of the authors' code, which asks for one step at a time: the first is
    drawn until it is a step or its attempts are used up, then the second, and so on. Asking for as many
    at once as that order is certain to need changes nothing but the speed.

    When fewer samples come back than were asked for, the token budget is spent: the steps drawn so far
    are paid for and are kept.

    Returns:
        The steps drawn, at most ``n``.
    """
    steps: list[Step] = []
    done = 0
    misses = 0
    while done < n:
        asked = n - done
        replies = yield Propose(prefix, asked, advice)
        for step in replies:
            misses = misses + 1 if step is None else 0
            if step is not None:
                steps.append(step)
            if step is not None or misses == attempts:
                done += 1
                misses = 0
        if not replies or (steps and len(replies) < asked):
            break
    return steps


def draw_each(prefixes: Sequence[Prefix], numbers: Sequence[int], attempts: int) -> Moves:
    """Sample next steps after each of several partial solutions, as :func:`draw_steps` does for one.

    Args:
        numbers: how many after each of ``prefixes``, at least 1.

    Returns:
        A list of steps for each of ``prefixes``.
    """
    draws = [draw_steps(prefix, n, attempts) for prefix, n in zip(prefixes, numbers, strict=True)]
    steps: list[list[Step]] = [[] for _ in draws]
    asked: dict[int, Propose] = {place: next(draw) for place, draw in enumerate(draws)}
    while asked:
        replies: list[list[Step | None]] = yield ProposeEach(tuple(asked.values()))
        pairs = zip(list(asked), replies, strict=True)
        asked = {}
        for place, reply in pairs:
            try:
                asked[place] = draws[place].send(reply)
            except StopIteration as end:
                steps[place] = end.value
    return steps


def greedy_trace(recorder: Recorder) -> Moves:
    """Sample one trace from the root at temperature 0; its steps join the tree as those of an expansion do.

    Returns:
        Its last node; the root where the policy has nothing.
    """
    line = [recorder.tree.root]
    traces: list[Trace] = yield Complete(Prefix(0), 1, temperature=0.0)
    for trace in traces:
        recorder.spend(trace.cost)
        for step in trace.steps:
            line += recorder.emit(Expanded(line[-1].id, (step,), (1,)))
    yield from value_nodes(recorder, line[1:])
    for node in line[1:]:
        yield from critique(recorder, node)
    return line[-1]


def merge(steps: list[Step]) -> dict[str, tuple[Step, int]]:
    """Equal steps as one, in the order of their first appearance, with the number of samples."""
    merged: dict[str, tuple[Step, int]] = {}
    for step in steps:
        first, count = merged.get(step.text, (step, 0))
        merged[step.text] = (first, count + 1)
    return merged


def grow(recorder: Recorder, node: Node, steps: list[Step]) -> Moves:
    """Let ``steps`` join below ``node``; see :func:`grow_each`."""
    return (yield from grow_each(recorder, [(node, steps)]))


def grow_each(recorder: Recorder, grown: list[tuple[Node, list[Step]]]) -> Moves:
    """Let steps join below each of several nodes; value and critique new children, count the others again.

    Returns:
        The children that the steps lead to, new or already there, each once.
    """
    children: list[Node] = []
    for node, steps in grown:
        merged = merge(steps).values()
        if merged:
            event = Expanded(node.id, tuple(pair[0] for pair in merged), tuple(pair[1] for pair in merged))
            children += recorder.emit(event)
    yield from value_nodes(recorder, children)
    for child in children:
        yield from critique(recorder, child)
    return children


def value_nodes(recorder: Recorder, nodes: list[Node]) -> Moves:
    """Ask the value model for every node that it has not scored yet."""
    unscored = [node.id for node in nodes if node.score is None]
    if unscored:
        values: list[float] = yield Value(tuple(Prefix(number) for number in unscored))
        recorder.emit(Valued(tuple(unscored), tuple(values)))
