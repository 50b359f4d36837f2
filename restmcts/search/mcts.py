"""MCTS*: the tree search of the paper (Algorithm 2), move for move as in its authors' code."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import compress
from random import Random
from types import MappingProxyType

from restmcts.search.moves import (
    Moves,
    Outcome,
    at_gate,
    declare_finished,
    draw_steps,
    grow,
)
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Critique, Prefix, Value, Verdict
from restmcts.search.settings import Mcts
from restmcts.search.side_by_side import side_by_side
from store.trace import BackedUp, RolledOut, Selected, Step, StopReason
from store.tree import Node, Tree, upper_confidence

NO_VISITS: Mapping[int, int] = MappingProxyType({})

IDLE_ROUNDS = 100
"""Without a limit of rounds, a search ends after so many in a row that only met finished nodes."""


def mcts(recorder: Recorder, settings: Mcts, random: Random) -> Moves:
    """Search by rounds of selection, expansion, rollout and backup.

    Args:
        recorder: an empty search.
        settings: the settings of the method.
        random: decides between equally promising children, and nothing else.

    Returns:
        An :class:`~restmcts.search.moves.Outcome`.
    """
    closed: set[int] = set()
    idle = 0
    reason: StopReason = "rounds"
    left = settings.rounds or sys.maxsize
    while left:
        if 0 in closed or (settings.rounds == 0 and idle >= IDLE_ROUNDS):
            reason = "exhausted"
            break
        leaves = select_leaves(recorder.tree, settings, random, closed, min(left, settings.leaves))
        left -= len(leaves)
        for node in leaves:
            recorder.emit(Selected(node.id))
            if at_gate(node, settings):
                if not node.finished:
                    yield from declare_finished(recorder, node)
                if settings.early_stop:
                    return Outcome("gate", node.id)
            idle = idle + 1 if node.finished else 0
        done = yield from side_by_side([simulate(recorder, node, settings, random) for node in leaves])
        for node in compress(leaves, done):
            backup(recorder, node)
            if settings.close_finished:
                close(recorder.tree, node, closed)
    if not settings.early_stop:
        yield from finish_gated(recorder, settings)
    return Outcome(reason)


def simulate(recorder: Recorder, node: Node, settings: Mcts, random: Random) -> Moves:
    """Expand a leaf that is not finished, and look ahead from its most promising child; returns True."""
    if not node.finished:
        yield from expand(recorder, node, settings)
    if not node.finished:
        child = best_child(recorder.tree, node, settings, random)
        yield from rollout(recorder, child, settings)
    return True


def finish_gated(recorder: Recorder, settings: Mcts) -> Moves:
    """Count the leaves that reach the gate as finished, as the authors do before they verify."""
    for node in recorder.tree.nodes[1:]:
        if not node.expanded and not node.finished and at_gate(node, settings):
            yield from declare_finished(recorder, node)


def select_leaves(
    tree: Tree, settings: Mcts, random: Random, closed: Collection[int], most: int
) -> list[Node]:
    """The leaves of rounds that run side by side: different ones, at least one.

    A visit that is under way counts as one, but its value is not guessed: "Watch the Unobserved", Liu et al.,
    ICLR 2020. Where that leads to the same leaf again, there are fewer.
    """
    leaves: list[Node] = []
    coming: Counter[int] = Counter()
    while len(leaves) < most:
        leaf = select(tree, settings, random, closed, coming)
        if coming[leaf.id]:
            break
        leaves.append(leaf)
        coming.update(node.id for node in tree.ancestors(leaf.id))
    return leaves


def select(
    tree: Tree,
    settings: Mcts,
    random: Random,
    closed: Collection[int],
    coming: Mapping[int, int],
) -> Node:
    """Walk down from the root by the best child until a node that is not expanded."""
    node = tree.root
    while node.expanded:
        node = best_child(tree, node, settings, random, closed, coming)
    return node


def close(tree: Tree, node: Node, closed: set[int]) -> None:
    """Close what cannot give anything new: finished nodes, and nodes with closed children only."""
    for child in tree.children(node.id):
        if child.finished:
            closed.add(child.id)
    for current in tree.ancestors(node.id):
        if not current.finished and not (current.expanded and closed.issuperset(current.children)):
            break
        closed.add(current.id)


def best_child(
    tree: Tree,
    node: Node,
    settings: Mcts,
    random: Random,
    closed: Collection[int] = (),
    coming: Mapping[int, int] = NO_VISITS,
) -> Node:
    """The most promising child that is not closed; ties are broken at random.

    ``coming`` has visits that are under way, which count too. A random number is drawn even for a single
    candidate, as the authors' code does, so that equal seeds give equal searches.
    """
    best = 0.0
    candidates: list[Node] = []
    visits = node.visits + coming.get(node.id, 0)
    for number in node.children:
        if number in closed:
            continue
        child = tree.nodes[number]
        promise = upper_confidence(
            child.value,
            child.visits + coming.get(number, 0),
            visits,
            settings.exploration,
            settings.unvisited_bonus,
        )
        if promise > best:
            best = promise
            candidates = [child]
        elif promise == best:
            candidates.append(child)
    return random.choice(candidates)


def expand(recorder: Recorder, node: Node, settings: Mcts) -> Moves:
    """Sample, value and critique the children of ``node``; without any, it is finished."""
    steps = yield from draw_steps(Prefix(node.id), settings.branch, settings.attempts, node.advice)
    if not steps:
        yield from declare_finished(recorder, node)
        return
    yield from grow(recorder, node, steps)


def rollout(recorder: Recorder, node: Node, settings: Mcts) -> Moves:
    """Look ahead from ``node`` by greedy sampling and mix the best value seen into its value.

    ``V ← (1 - α)·V + α·v_max`` and ``N ← N + 1``. A finished node has ``v_max = V``. The steps of the
    rollout are recorded, but do not join the tree unless ``keep_rollouts`` asks for it.
    """
    steps: tuple[Step, ...] = ()
    values: tuple[float, ...] = ()
    best = node.value
    if not node.finished and settings.keep_rollouts:
        best = yield from kept_look_ahead(recorder, node, settings)
    elif not node.finished:
        steps, values = yield from look_ahead(node, settings)
        best = max((0.0, *values))
    value = node.value * (1 - settings.alpha) + best * settings.alpha
    recorder.emit(RolledOut(node.id, steps, values, best, value, node.visits + 1))


def look_ahead(node: Node, settings: Mcts) -> Moves:
    """The steps of a greedy rollout and their values, until it is finished or long enough."""
    steps: tuple[Step, ...] = ()
    values: tuple[float, ...] = ()
    for _ in range(settings.rollout_steps):
        drawn = yield from draw_steps(Prefix(node.id, steps), settings.rollout_branch, settings.attempts)
        if not drawn:
            break
        prefixes = tuple(Prefix(node.id, (*steps, step)) for step in drawn)
        scores: list[float] = yield Value(prefixes)
        best = max(range(len(scores)), key=scores.__getitem__)
        steps, values = prefixes[best].steps, (*values, scores[best])
        verdict: Verdict = yield Critique(prefixes[best])
        if verdict.finished:
            break
    return steps, values


def kept_look_ahead(recorder: Recorder, node: Node, settings: Mcts) -> Moves:
    """A greedy rollout whose steps join the tree, unvisited; returns the largest value seen."""
    best = 0.0
    current = node
    for _ in range(settings.rollout_steps):
        drawn = yield from draw_steps(Prefix(current.id), settings.rollout_branch, settings.attempts)
        if not drawn:
            break
        children: list[Node] = yield from grow(recorder, current, drawn)
        current = max(children, key=lambda child: child.value)
        best = max(best, current.value)
        if current.finished:
            break
    return best


def backup(recorder: Recorder, node: Node) -> None:
    """Count a visit on ``node`` and every ancestor, and average the values of their children.

    ``V = Σ N_c·V_c / Σ N_c`` over the children c, where any of them has been visited.
    """
    tree = recorder.tree
    nodes: list[int] = []
    visits: list[int] = []
    values: list[float] = []
    below: int | None = None
    for current in tree.ancestors(node.id):
        value = current.value
        if current.expanded:
            total = 0
            weighted = 0.0
            for number in current.children:
                child = tree.nodes[number]
                child_visits, child_value = child.visits, child.value
                if number == below:
                    child_visits, child_value = visits[-1], values[-1]
                total += child_visits
                weighted += child_value * child_visits
            if total > 0:
                value = weighted / total
        nodes.append(current.id)
        visits.append(current.visits + 1)
        values.append(value)
        below = current.id
    recorder.emit(BackedUp(tuple(nodes), tuple(visits), tuple(values)))
