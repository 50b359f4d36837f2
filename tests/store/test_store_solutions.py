"""The solutions of a tree that are worth a look: the given one and the best right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.index.reader import StoreReader
from store.tree import Tree, fold
from tests.store.build import open_run
from tests.tui.made_searches import mcts, votes

if TYPE_CHECKING:
    from pathlib import Path

    from store.events import SearchRecord


def expected(record: SearchRecord) -> list[tuple[int, bool, tuple[str, ...]]]:
    """Node, whether it is the given one, and steps, from a fold of the events."""
    tree = fold(record.events)
    finished = sorted(tree.finished(), key=lambda node: (-node.value, node.id))
    ended = tree.stopped
    given = ended.node if ended is not None else None
    if given is None:
        given = next((n.id for n in finished if n.answer == record.result.answer is not None), None)
    right = next((node.id for node in finished if node.correct), None)
    chosen = dict.fromkeys(node for node in (given, right) if node is not None)
    return [(node, node == given, steps(tree, node)) for node in chosen]


def steps(tree: Tree, node: int) -> tuple[str, ...]:
    return tuple(each.step.text for each in tree.path(node) if each.step is not None)


@given(numbers=st.lists(st.integers(0, 500), min_size=1, max_size=5, unique=True), rounds=st.integers(1, 15))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_given_and_the_best_right_solution(
    tmp_path_factory: object, numbers: list[int], rounds: int
) -> None:
    root: Path = tmp_path_factory.mktemp("store")  # type: ignore[attr-defined]
    records = [mcts(number, rounds=rounds) for number in numbers]
    records += [votes(number, "2.evaluate") for number in numbers]
    with open_run(root, "run") as writer:
        for phase in ("1.search", "2.evaluate"):
            writer.start_phase(phase, "search", 1)
            for record in records:
                if record.header.phase == phase:
                    writer.add_tree(record)
            writer.finish_phase(phase, {})
    with StoreReader(root) as reader:
        for record in records:
            found = reader.solutions("run", record.header.id)
            assert [(each.node, each.answered, each.steps) for each in found] == expected(record)
            tree = fold(record.events)
            for each in found:
                node = tree.nodes[each.node]
                value = None if node.score is None and not node.visits else node.value
                assert (each.answer, each.correct, each.value) == (node.answer, node.correct, value)
        assert reader.solutions("run", "1.search/99999") == ()
