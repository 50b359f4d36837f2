"""MCTS*: the tree search of the paper (Algorithm 2), move for move as in its authors' code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from itertools import islice
from random import Random
from types import MappingProxyType

from pydantic import Field

from restmcts.search.moves import (
    Moves,
    Outcome,
    at_gate,
    declare_finished,
    draw_steps,
    grow,
)
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Critique, Prefix, Value, Verdict
from restmcts.search.rounds import Rounds
from restmcts.search.settings import Method
from store.events import BackedUp, RolledOut, Step
from store.selection import upper_confidence
from store.tree import Node, Tree

NO_VISITS: Mapping[int, int] = MappingProxyType({})

IDLE_ROUNDS = 100
"""Without a limit of rounds, a search ends after so many in a row that only met finished nodes."""


class Mcts(Method):
    """MCTS* as in the authors' code; the defaults are its evaluation settings."""

    branch: int = Field(default=3, ge=1, description="next steps sampled at an expansion (b)")
    parallel_rounds: int = Field(
        default=1,
        ge=1,
        description=(
            "most rounds that run at the same time, from different leaves; more than one keeps an engine"
            " busy with few searches (not in the authors' code)"
        ),
    )
    rounds: int = Field(
        default=50,
        ge=0,
        description=(
            "most rounds of select, expand, rollout and backup; 0: until the token budget is spent or"
            " nothing new is found"
        ),
    )
    rollout_branch: int = Field(default=1, ge=1, description="samples at a rollout step")
    rollout_steps: int = Field(
        default=2,
        ge=0,
        description="most steps of a rollout (m); a rollout ends at the end of the solution",
    )
    exploration: float = Field(default=0.4, ge=0, description="weight of the exploration term (c)")
    unvisited_bonus: float = Field(
        default=0.8,
        ge=0,
        description="what an unvisited child scores above its value",
    )
    alpha: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the rollout's best value in the child's new value",
    )
    attempts: int = Field(default=3, ge=1, description="how often an empty sample is drawn again")
    keep_rollouts: bool = Field(
        default=False,
        description=(
            "the steps of a rollout join the tree, so that an answer that it reaches counts (not in the"
            " authors' code)"
        ),
    )
    close_finished: bool = Field(
        default=False,
        description=(
            "a finished node, or one with exhausted children only, is not selected again (not in the"
            " authors' code)"
        ),
    )

    @property
    def endless(self) -> bool:
        return self.rounds == 0


def mcts(recorder: Recorder, settings: Mcts, random: Random) -> Moves:
    """Search by rounds of selection, expansion, rollout and backup.

    Args:
        recorder: an empty search.
        settings: the settings of the method.
        random: decides between equally promising children, and nothing else.

    Returns:
        An :class:`~restmcts.search.moves.Outcome`.
    """
    search = Search(recorder, settings, random)
    rounds = search.rounds
    while True:
        exhausted = search.passed_over()
        if search.ended or rounds.full or 0 in exhausted:
            if not rounds.running:
                break
            yield from search.join()
            continue
        leaf = select(recorder.tree, settings, random, exhausted, rounds.pending_visits)
        search.idle = search.idle + 1 if leaf.finished else 0
        if at_gate(leaf, settings):
            rounds.select(leaf, exhausted)
            if not leaf.finished:
                yield from declare_finished(recorder, leaf)
            if settings.early_stop:
                while rounds.running:
                    yield from search.join()
                return Outcome("gate", leaf.id)
            search.back_up(leaf)
        elif leaf.finished:
            rounds.select(leaf, exhausted)
            search.back_up(leaf)
        else:
            yield from search.begin(leaf, exhausted)
    if not settings.early_stop:
        yield from finish_gated(recorder, settings)
    return Outcome("exhausted" if search.exhausted_all else "rounds")


class Search:
    """A search: its rounds, and the nodes that are not selected again.

    Attributes:
        exhausted: the numbers of the nodes from which nothing new is expected.
        idle: how many of the last rounds met a finished node.
    """

    def __init__(self, recorder: Recorder, settings: Mcts, random: Random) -> None:
        self.recorder = recorder
        self.settings = settings
        self.rounds = Rounds(recorder, random, settings.rounds, settings.parallel_rounds)
        self.exhausted: set[int] = set()
        self.idle = 0

    @property
    def exhausted_all(self) -> bool:
        """Whether nothing new is expected from further rounds."""
        return 0 in self.exhausted or (self.settings.rounds == 0 and self.idle >= IDLE_ROUNDS)

    @property
    def ended(self) -> bool:
        """Whether no further round is started."""
        return self.rounds.left == 0 or self.exhausted_all

    def passed_over(self) -> set[int]:
        """The nodes that a selection passes over: exhausted ones, and those that a running round expands."""
        running = self.rounds.running
        return exhausted_with(self.recorder.tree, self.exhausted, running) if running else self.exhausted

    def begin(self, leaf: Node, exhausted: set[int]) -> Moves:
        """Begin a round that expands ``leaf``."""
        settings = self.settings
        run = partial(simulate, settings=settings)
        samples = settings.branch + settings.rollout_steps * settings.rollout_branch
        ended: Node | None = yield from self.rounds.begin(leaf, exhausted, run, samples)
        if ended is not None:
            self.back_up(ended)

    def join(self) -> Moves:
        """Wait for the oldest round and back it up."""
        self.idle = 0
        ended: Node | None = yield from self.rounds.join()
        if ended is not None:
            self.back_up(ended)

    def back_up(self, leaf: Node) -> None:
        """Back up a round that ended at ``leaf``."""
        backup(self.recorder, leaf)
        if self.settings.close_finished:
            exhaust(self.recorder.tree, leaf, self.exhausted)


def simulate(recorder: Recorder, node: Node, random: Random, settings: Mcts) -> Moves:
    """Expand a leaf that is not finished, and look ahead from its most promising child; returns the leaf."""
    yield from expand(recorder, node, settings)
    if not node.finished:
        child = best_child(recorder.tree, node, settings, random)
        yield from rollout(recorder, child, settings)
    return node.id


def finish_gated(recorder: Recorder, settings: Mcts) -> Moves:
    """Count the leaves that reach the gate as finished, as the authors do before they verify."""
    for node in recorder.tree.nodes[1:]:
        if not node.expanded and not node.finished and at_gate(node, settings):
            yield from declare_finished(recorder, node)


def select(
    tree: Tree,
    settings: Mcts,
    random: Random,
    exhausted: Collection[int],
    pending_visits: Mapping[int, int],
) -> Node:
    """Walk down from the root by the best child until a node that is not expanded."""
    node = tree.root
    while node.expanded:
        node = best_child(tree, node, settings, random, exhausted, pending_visits)
    return node


def exhaust(tree: Tree, node: Node, exhausted: set[int]) -> None:
    """Exhaust finished nodes, and nodes with exhausted children only, after a round at ``node``."""
    finished = [each.id for each in (node, *tree.children(node.id)) if each.finished]
    exhausted |= exhausted_with(tree, exhausted, finished)


def exhausted_with(tree: Tree, exhausted: Collection[int], nodes: Iterable[int]) -> set[int]:
    """The exhausted nodes where ``nodes`` are too: a node without any other child is exhausted."""
    found = set(exhausted)
    for node in nodes:
        found.add(node)
        for current in islice(tree.ancestors(node), 1, None):
            if not found.issuperset(current.children):
                break
            found.add(current.id)
    return found


def best_child(
    tree: Tree,
    node: Node,
    settings: Mcts,
    random: Random,
    exhausted: Collection[int] = (),
    pending_visits: Mapping[int, int] = NO_VISITS,
) -> Node:
    """The most promising child that is not exhausted; ties are broken at random.

    ``pending_visits`` of running rounds count like visits. A random number is drawn even for a single
    candidate, as the authors' code does, so that equal seeds give equal searches.
    """
    best = 0.0
    candidates: list[Node] = []
    visits = node.visits + pending_visits.get(node.id, 0)
    for number in node.children:
        if number in exhausted:
            continue
        child = tree.nodes[number]
        promise = upper_confidence(
            child.value,
            child.visits + pending_visits.get(number, 0),
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


MCTS = SearchMethod(
    Mcts,
    mcts,
    "MCTS* as in the paper's code",
    # The authors' settings for data generation.
    generation={
        "early_stop": False,
        "rounds": 40,
        "rollout_steps": 1,
        "exploration": 0.5,
        "unvisited_bonus": 0.9,
        "end_gate": 0.8,
    },
    evaluation={"early_stop": False, "rounds": 0},
)
