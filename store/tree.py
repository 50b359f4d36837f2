"""The search tree: what the events of a search add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from store.events import (
    FREE,
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    Extended,
    RolledOut,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)


@dataclass(slots=True)
class Node:
    """A partial solution: the steps from the root down to this one.

    ``score`` is what the value model said (None until asked), ``value`` is V: the score, then changed by
    rollouts and backups. ``visits`` is N. ``samples`` counts the policy samples that passed through.
    ``finished`` is True when the partial solution is a whole one, with ``answer`` the answer found in it
    and ``correct`` its verdict once verified. ``critiqued`` says that ``finished`` has been decided.
    """

    id: int
    parent: int | None
    depth: int
    step: Step | None
    children: list[int] = field(default_factory=list)
    score: float | None = None
    value: float = 0.0
    visits: int = 0
    samples: int = 0
    expanded: bool = False
    critiqued: bool = False
    finished: bool = False
    advice: str | None = None
    answer: str | None = None
    correct: bool | None = None

    @property
    def valued(self) -> bool:
        """Whether V is known: the value model was asked, or a rollout or a backup has come by."""
        return self.score is not None or self.visits > 0


class _Children:
    """Finds the children of nodes by their steps, however many there are.

    Nodes may be taken off the end of ``nodes`` again, as a replay does that goes back.

    Args:
        nodes: the nodes of a tree, by number; those that are added there are told by :meth:`add`.
    """

    __slots__ = ("_by_step", "_by_text", "_nodes")

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._by_text: dict[tuple[int, str], list[int]] = {}
        self._by_step: dict[_StepKey, int] | None = None
        for node in nodes[1:]:
            self.add(node)

    def add(self, node: Node) -> None:
        """A node has joined the end of the tree."""
        assert node.parent is not None and node.step is not None
        same = self._by_text.setdefault((node.parent, node.step.text), [])
        while same and same[-1] >= node.id:
            same.pop()
        same.append(node.id)
        if self._by_step is not None:
            self._add_step(self._by_step, node)

    def last_with_text(self, parent: int, text: str) -> Node | None:
        """The child of ``parent`` that joined last among those whose step has this text."""
        same = self._by_text.get((parent, text), [])
        while same:
            node = self._at(same[-1], parent)
            if node is not None and node.step is not None and node.step.text == text:
                return node
            same.pop()
        return None

    def first_with_step(self, parent: int, step: Step) -> Node | None:
        """The child of ``parent`` that joined first among those with the same text and tokens."""
        if self._by_step is None:
            self._by_step = {}
            for node in self._nodes[1:]:
                self._add_step(self._by_step, node)
        return self._known(self._by_step, _key(parent, step))

    def _add_step(self, by_step: dict[_StepKey, int], node: Node) -> None:
        assert node.parent is not None and node.step is not None
        key = _key(node.parent, node.step)
        if self._known(by_step, key) is None:
            by_step[key] = node.id

    def _known(self, by_step: dict[_StepKey, int], key: _StepKey) -> Node | None:
        node = self._at(by_step.get(key, -1), key[0])
        return node if node is not None and node.step is not None and _key(key[0], node.step) == key else None

    def _at(self, number: int, parent: int) -> Node | None:
        """The node ``number`` if it is there and below ``parent``."""
        node = self._nodes[number] if 0 <= number < len(self._nodes) else None
        return node if node is not None and node.parent == parent else None


_StepKey = tuple[int, str, tuple[int, ...], bool]


def _key(parent: int, step: Step) -> _StepKey:
    return parent, step.text, step.tokens, step.ended


@dataclass(slots=True)
class Tree:
    """All nodes of a search, by number; node 0 is the root.

    Attributes:
        nodes: the nodes, in the order in which they joined.
        cost: what the search has taken so far.
        stopped: the last event of a search that has ended.
        traces: for each node from which whole traces were sampled, the last node of each of them, in the
            order of sampling. It is kept here, as most trees have such nodes at the root or nowhere.
    """

    nodes: list[Node] = field(default_factory=lambda: [Node(0, None, 0, None)])
    cost: Cost = field(default_factory=Cost)
    stopped: Stopped | None = None
    traces: dict[int, list[int]] = field(default_factory=dict)
    _children: _Children = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._children = _Children(self.nodes)

    @property
    def root(self) -> Node:
        return self.nodes[0]

    def path(self, node: int) -> list[Node]:
        """The nodes from the first step down to ``node``; empty for the root."""
        path = []
        current = self.nodes[node]
        while current.parent is not None:
            path.append(current)
            current = self.nodes[current.parent]
        path.reverse()
        return path

    def steps(self, node: int) -> list[Step]:
        """The partial solution of ``node``: its steps, first to last."""
        return [member.step for member in self.path(node) if member.step is not None]

    def text(self, node: int) -> str:
        """The partial solution of ``node`` as text."""
        return "".join(step.text for step in self.steps(node))

    def ancestors(self, node: int) -> Iterator[Node]:
        """``node`` itself, its parent and so on up to the root."""
        current: int | None = node
        while current is not None:
            yield self.nodes[current]
            current = self.nodes[current].parent

    def children(self, node: int) -> list[Node]:
        return [self.nodes[child] for child in self.nodes[node].children]

    def finished(self) -> list[Node]:
        """The finished nodes, in the order in which they joined the tree."""
        return [node for node in self.nodes if node.finished]

    def line(self, node: int) -> Tree:
        """A tree with copies of the nodes from the root down to ``node`` and no others."""
        members = [self.root, *self.path(node)]
        return Tree(
            [
                replace(
                    member,
                    id=depth,
                    parent=None if depth == 0 else depth - 1,
                    children=[] if member.id == node else [depth + 1],
                )
                for depth, member in enumerate(members)
            ]
        )

    def apply(self, event: Event) -> list[int]:
        """Change the tree by one event; return the nodes that it touched.

        Raises:
            ValueError: the event names a node that does not exist or does not fit the tree.
        """
        if event.cost is not FREE:
            self.cost = self.cost + event.cost
        touched: list[int] = _APPLY[type(event)](self, event)  # type: ignore[operator]
        return touched

    def forget_trace(self, node: int) -> None:
        """Take the trace back that was sampled last from ``node``; its nodes are the caller's to remove."""
        self.traces[node].pop()
        if not self.traces[node]:
            del self.traces[node]

    def _node(self, node: int) -> Node:
        if not 0 <= node < len(self.nodes):
            raise ValueError(f"event names node {node}, but the tree has {len(self.nodes)} nodes")
        return self.nodes[node]

    def _add(self, parent: Node, step: Step, samples: int) -> Node:
        node = Node(len(self.nodes), parent.id, parent.depth + 1, step, samples=samples)
        self.nodes.append(node)
        parent.children.append(node.id)
        parent.expanded = True
        self._children.add(node)
        return node


def fold(events: Iterable[Event]) -> Tree:
    """The tree that ``events`` add up to; any prefix of a search's events is valid too."""
    tree = Tree()
    for event in events:
        tree.apply(event)
    return tree


def _selected(tree: Tree, event: Selected) -> list[int]:
    return [tree._node(event.node).id]


def _critiqued(tree: Tree, event: Critiqued) -> list[int]:
    node = tree._node(event.node)
    node.critiqued = True
    node.finished = event.finished
    node.answer = event.answer
    node.advice = event.advice
    return [node.id]


def _expanded(tree: Tree, event: Expanded) -> list[int]:
    parent = tree._node(event.node)
    touched = []
    for step, samples in zip(event.steps, event.samples, strict=True):
        child = tree._children.last_with_text(parent.id, step.text)
        if child is None:
            child = tree._add(parent, step, 0)
        child.samples += samples
        touched.append(child.id)
    return touched


def _extended(tree: Tree, event: Extended) -> list[int]:
    current = tree._node(event.node)
    touched = []
    for step in event.steps:
        found = tree._children.first_with_step(current.id, step)
        current = tree._add(current, step, 0) if found is None else found
        current.samples += 1
        touched.append(current.id)
    tree.traces.setdefault(event.node, []).append(current.id)
    return touched


def _valued(tree: Tree, event: Valued) -> list[int]:
    for number, value in zip(event.nodes, event.values, strict=True):
        node = tree._node(number)
        node.score = value
        node.value = value
    return list(event.nodes)


def _rolled_out(tree: Tree, event: RolledOut) -> list[int]:
    node = tree._node(event.node)
    node.value = event.value
    node.visits = event.visits
    return [node.id]


def _backed_up(tree: Tree, event: BackedUp) -> list[int]:
    nodes, size = tree.nodes, len(tree.nodes)
    for number, visits, value in zip(event.nodes, event.visits, event.values, strict=True):
        # Spelled out, as deep searches back up to thousands of nodes in every round.
        node = nodes[number] if 0 <= number < size else tree._node(number)
        node.visits = visits
        node.value = value
    return list(event.nodes)


def _verified(tree: Tree, event: Verified) -> list[int]:
    for number, correct in zip(event.nodes, event.correct, strict=True):
        tree._node(number).correct = correct
    return [*event.nodes, *(tree._node(number).id for number in event.unverified)]


def _stopped(tree: Tree, event: Stopped) -> list[int]:
    tree.stopped = event
    return [] if event.node is None else [tree._node(event.node).id]


_APPLY = {
    Selected: _selected,
    Critiqued: _critiqued,
    Expanded: _expanded,
    Extended: _extended,
    Valued: _valued,
    RolledOut: _rolled_out,
    BackedUp: _backed_up,
    Verified: _verified,
    Stopped: _stopped,
}
