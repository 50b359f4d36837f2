"""Random searches that could have happened: every event fits the tree that the earlier ones made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from hypothesis import strategies as st

from store.events import (
    FREE,
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    Extended,
    Header,
    Result,
    RolledOut,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    StopReason,
    Valued,
    Verified,
)
from store.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = st.text(max_size=12)
COUNTS = st.integers(0, 2**40)
VALUES = st.floats(0, 1)
OPTIONAL_TEXTS = st.none() | TEXTS
STEPS = st.builds(
    Step,
    text=TEXTS,
    tokens=st.lists(st.integers(0, 2**31), max_size=3).map(tuple),
    logprob=st.none() | st.floats(-1e6, 0),
    ended=st.booleans(),
)
COSTS = st.just(FREE) | st.builds(Cost, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
REASONS = st.sampled_from(get_args(StopReason))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
SETTINGS = st.dictionaries(TEXTS, JSON, max_size=3)


def _selected(draw: st.DrawFn, node: int, tree: Tree) -> Event:
    numbers = st.lists(st.integers(0, len(tree.nodes) - 1), max_size=3).map(tuple)
    return Selected(node, draw(numbers), draw(numbers), draw(COSTS))


def _critiqued(draw: st.DrawFn, node: int, _tree: Tree) -> Event:
    return Critiqued(node, draw(st.booleans()), draw(OPTIONAL_TEXTS), draw(OPTIONAL_TEXTS), draw(COSTS))


def _expanded(draw: st.DrawFn, node: int, _tree: Tree) -> Event:
    steps = draw(st.lists(STEPS, max_size=3))
    samples = tuple(draw(st.integers(1, 5)) for _ in steps)
    return Expanded(node, tuple(steps), samples, draw(COSTS))


def _extended(draw: st.DrawFn, node: int, tree: Tree) -> Event:
    # Steps of the tree are among the candidates, so that traces also walk on nodes that are there.
    known = [member.step for member in tree.nodes if member.step is not None]
    candidates = STEPS | st.sampled_from(known) if known else STEPS
    return Extended(node, tuple(draw(st.lists(candidates, max_size=4))), draw(COSTS))


def _valued(draw: st.DrawFn, _node: int, tree: Tree) -> Event:
    nodes = draw(_some_nodes(tree))
    return Valued(nodes, tuple(draw(VALUES) for _ in nodes), draw(COSTS))


def _rolled_out(draw: st.DrawFn, node: int, _tree: Tree) -> Event:
    steps = tuple(draw(st.lists(STEPS, max_size=2)))
    values = tuple(draw(VALUES) for _ in steps)
    return RolledOut(node, steps, values, draw(VALUES), draw(VALUES), draw(st.integers(0, 9)), draw(COSTS))


def _backed_up(draw: st.DrawFn, node: int, tree: Tree) -> Event:
    nodes = tuple(member.id for member in tree.ancestors(node))
    visits = tuple(tree.nodes[number].visits + 1 for number in nodes)
    return BackedUp(nodes, visits, tuple(draw(VALUES) for _ in nodes), draw(COSTS))


def _verified(draw: st.DrawFn, _node: int, tree: Tree) -> Event:
    verdicts = {member.id: draw(st.none() | st.booleans()) for member in tree.finished()}
    reached = {node: verdict for node, verdict in verdicts.items() if verdict is not None}
    unverified = tuple(node for node in verdicts if node not in reached)
    return Verified(tuple(reached), tuple(reached.values()), unverified, draw(COSTS))


def _some_nodes(tree: Tree) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(0, len(tree.nodes) - 1), max_size=4, unique=True).map(tuple)


_MAKERS: tuple[Callable[[st.DrawFn, int, Tree], Event], ...] = (
    _selected,
    _critiqued,
    _expanded,
    _extended,
    _valued,
    _rolled_out,
    _backed_up,
    _verified,
)


@st.composite
def headers(draw: st.DrawFn, phase: str = "1.search", number: int = 0) -> Header:
    """The header of a search of ``phase``."""
    return Header(
        id=f"{phase}/{number}",
        phase=phase,
        problem=draw(TEXTS),
        question=draw(TEXTS),
        oracle=draw(OPTIONAL_TEXTS),
        method=draw(st.sampled_from(["mcts", "tot-bfs", "best-of-n"])),
        answer_by=draw(st.sampled_from(["best-value", "majority"])),
        seed=draw(st.integers(0, 2**63 - 1)),
        policy=draw(TEXTS),
        value=draw(OPTIONAL_TEXTS),
        budget=draw(st.none() | COUNTS),
        settings=draw(SETTINGS),
        worker=draw(OPTIONAL_TEXTS),
    )


@st.composite
def live_searches(
    draw: st.DrawFn, phase: str = "1.search", number: int = 0, most: int = 8
) -> tuple[SearchRecord, Tree]:
    """A search of up to ``most`` events before its end, and its tree as it was when the search ended."""
    tree = Tree()
    events: list[Event] = []
    for maker in draw(st.lists(st.sampled_from(_MAKERS), max_size=most)):
        event = maker(draw, draw(st.integers(0, len(tree.nodes) - 1)), tree)
        tree.apply(event)
        events.append(event)
    node = draw(st.none() | st.integers(0, len(tree.nodes) - 1))
    reason = draw(REASONS)
    last = Stopped(reason, node, draw(OPTIONAL_TEXTS), draw(OPTIONAL_TEXTS), draw(COSTS))
    tree.apply(last)
    correct = draw(st.none() | st.booleans())
    size = (len(tree.nodes), len(tree.finished()))
    result = Result(last.answer, correct, reason, tree.cost, *size, draw(st.floats(0, 1e6)))
    return SearchRecord(draw(headers(phase, number)), (*events, last), result), tree


def searches(phase: str = "1.search", number: int = 0, most: int = 8) -> st.SearchStrategy[SearchRecord]:
    """Like :func:`live_searches`, the record alone."""
    return live_searches(phase, number, most).map(lambda pair: pair[0])


@st.composite
def many_searches(draw: st.DrawFn, phase: str = "1.search", most: int = 4) -> list[SearchRecord]:
    """Up to ``most`` searches of one phase, in the order in which they finished.

    A problem has one question and one oracle answer, however often it is searched.
    """
    numbers = draw(st.lists(st.integers(0, 10**6), max_size=most, unique=True))
    drawn = [draw(searches(phase, number, 5)) for number in numbers]
    asked: dict[str, tuple[str, str | None]] = {}
    for record in drawn:
        asked.setdefault(record.header.problem, (record.header.question, record.header.oracle))
    headers = [record.header for record in drawn]
    same = [
        replace(header, question=asked[header.problem][0], oracle=asked[header.problem][1])
        for header in headers
    ]
    return [replace(record, header=header) for record, header in zip(drawn, same, strict=True)]
