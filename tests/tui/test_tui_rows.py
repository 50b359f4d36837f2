"""The rows of the tree: their order, their indent, and what the verdicts say about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.events import Critiqued, Event, Expanded, Step, Valued, Verified
from store.tree import Tree, fold
from tests.tui.made_searches import custom, mcts, votes
from tui.replay.player import Player
from tui.replay.row_text import RowLook, is_valued, row_line, short
from tui.replay.rows import View, arrange, guides
from tui.replay.truth import truth_of
from tui.styled import Line, line
from tui.widgets.lines import changed_cells, fold_line


def grown(*parents: int) -> Tree:
    """A tree in which node i + 1 is a child of the i-th of ``parents``."""
    return fold(Expanded(parent, (Step(f"s{place}"),), (1,)) for place, parent in enumerate(parents))


def drawn(tree: Tree, cells: int = 20, view: View | None = None) -> list[str]:
    rows = arrange(tree, view or View(), counted=True)
    deepest = max(row.level for row in rows)
    return [guides(rows, place, cells, deepest) + f"#{row.node}" for place, row in enumerate(rows)]


def test_only_branches_are_indented() -> None:
    tree = grown(0, 1, 2, 0, 4, 5, 5)
    assert drawn(tree) == ["#0", "├─#1", "│ #2", "│ #3", "└─#4", "  #5", "  ├─#6", "  └─#7"]


def test_a_chain_stays_in_one_column() -> None:
    assert drawn(grown(*range(2000)))[-1] == "#2000"


def test_rows_that_are_too_deep_tell_how_deep() -> None:
    """A tree that branches at each step: parent and child are told apart wherever they are cut."""
    parents = [parent for level in range(60) for parent in (2 * level, 2 * level)]
    shown = drawn(grown(*parents), cells=12)
    assert all(len(row) <= 12 + 4 for row in shown)
    by_node = {row.split("#")[1]: row.split("#")[0] for row in shown}
    chain = [by_node[str(node)] for node in range(2, 120, 2)]
    assert len(set(chain)) == len(chain)


@given(parents=st.lists(st.integers(0, 30), max_size=30), folded=st.sets(st.integers(0, 30)))
def test_every_row_comes_after_the_rows_above_it(parents: list[int], folded: set[int]) -> None:
    tree = grown(*(min(parent, place) for place, parent in enumerate(parents)))
    rows = arrange(tree, View(folded=folded), counted=True)
    places = {row.node: place for place, row in enumerate(rows)}
    assert len(places) == len(rows)
    for place, row in enumerate(rows):
        parent = tree.nodes[row.node].parent
        assert parent is None or (places[parent] < place and parent not in folded)
        assert row.level == 0 or (row.above < place and rows[row.above].level == row.level - 1)
        if row.head:
            assert rows[row.above].node == parent
    hidden = {node.id for node in tree.nodes} - places.keys()
    assert all(
        any(above.id in folded for above in tree.ancestors(node) if above.id != node) for node in hidden
    )


def test_children_by_visits_and_by_value() -> None:
    tree = grown(0, 0, 0)
    for node, visits, value in ((1, 2, 0.1), (2, 9, 0.2), (3, 4, 0.9)):
        tree.nodes[node].visits, tree.nodes[node].value = visits, value
    assert [row.node for row in arrange(tree, View(order="N"), counted=True)] == [0, 2, 3, 1]
    assert [row.node for row in arrange(tree, View(order="V"), counted=True)] == [0, 3, 2, 1]


def test_unvisited_nodes_are_hidden_but_for_those_to_be_kept() -> None:
    tree = grown(0, 0, 0, 2)
    tree.nodes[1].visits = 1
    view = View(hide=True, keep=frozenset({3}))
    assert [row.node for row in arrange(tree, view, counted=True)] == [0, 1, 3]
    assert [row.node for row in arrange(tree, view, counted=False)] == [0, 1, 2, 4, 3]


RIGHT_AND_WRONG: tuple[Event, ...] = (
    Expanded(0, (Step("a"), Step("b"), Step("c")), (1, 1, 1)),
    Expanded(1, (Step("aa"), Step("ab")), (1, 1)),
    Critiqued(4, True, "42"),
    Critiqued(5, True, "17"),
    Critiqued(2, True, "17"),
    Verified((4, 5, 2), (True, False, False)),
)


def test_the_right_way_and_where_it_was_left() -> None:
    truth = truth_of(fold(RIGHT_AND_WRONG))
    assert truth.right == {0, 1, 4}
    assert truth.mistakes == {2, 5}, "c was not followed to an end, so nothing is known about it"
    assert truth.verdicts == {4: True, 5: False, 2: False}


def test_without_a_right_solution_no_step_is_called_a_mistake() -> None:
    events = (*RIGHT_AND_WRONG[:-1], Verified((4, 5, 2), (False, False, False)))
    assert truth_of(fold(events)).mistakes == set()


def text_of(tree: Tree, node: int, look: RowLook, width: int = 80) -> str:
    return "".join(span[0] for span in row_line(tree.nodes[node], look, "", 0, width))


def test_a_row_has_its_verdict_while_the_events_run() -> None:
    player = Player(custom(1, *RIGHT_AND_WRONG))
    truth = truth_of(player.survey.final)
    player.jump(4)
    assert "◆ #4" in text_of(player.tree, 4, RowLook(valued=False, visited=False))
    look = RowLook(valued=False, visited=False, truth=truth)
    assert "✓+#4" in text_of(player.tree, 4, look)
    assert "✗!#5 first mistake" in text_of(player.tree, 5, look)
    assert "first mistake" not in text_of(player.tree, 5, look, width=40)
    assert "○ #3" in text_of(player.tree, 3, look)


def test_a_search_without_values_shows_its_samples() -> None:
    final = Player(votes(1)).survey.final
    assert not is_valued(final)
    assert is_valued(Player(mcts(1)).survey.final)
    node = max(final.nodes[1:], key=lambda node: node.samples)
    shown = text_of(final, node.id, RowLook(valued=False, visited=False, samples=5))
    assert f" {node.samples} " in shown and "0.00" not in shown and "█" in shown


def test_samples_stand_where_nothing_is_visited() -> None:
    tree = fold((Expanded(0, (Step("a"),), (7,)), Valued((1,), (0.5,))))
    assert " 0.50    7 " in text_of(tree, 1, RowLook(valued=True, visited=False))
    assert " 0.50    0 " in text_of(tree, 1, RowLook(valued=True, visited=True))


def test_a_value_that_is_not_known_is_no_red_zero() -> None:
    tree = fold((Expanded(0, (Step("a"), Step("b")), (1, 1)), Valued((2,), (0.0,))))
    spans = row_line(tree.nodes[1], RowLook(valued=True, visited=True), "", 0, 60)
    assert all(style != "value" for _, style, _ in spans)
    assert any(
        style == "value"
        for _, style, _ in row_line(tree.nodes[2], RowLook(valued=True, visited=True), "", 0, 60)
    )


@pytest.mark.parametrize(("number", "shown"), [(0, "0"), (9999, "9999"), (12_345, "12k"), (3_200_000, "3M")])
def test_counts_fit_four_cells(number: int, shown: str) -> None:
    assert short(number) == shown


SPANS = st.lists(
    st.tuples(st.text("ab 漢", max_size=8), st.sampled_from(["", "dim", "bold"]), st.just(0.0)), max_size=6
).map(tuple)


@given(spans=SPANS, width=st.integers(2, 12))
def test_wrapping_keeps_every_letter_and_its_style(spans: Line, width: int) -> None:
    def letters(*lines: Line) -> list[tuple[str, str]]:
        return [(c, style) for row in lines for text, style, _ in row for c in text if c != " "]

    assert letters(*fold_line(spans, width)) == letters(spans)


def test_the_cells_that_differ() -> None:
    old, new = [line("abc", ("def", "dim"))], [line("abX", ("def", "dim"))]
    assert changed_cells(old, new) == (2, 3)
    assert changed_cells(old, [line("abcdef")]) == (3, 6)
    assert changed_cells(old, [line("ab")]) == (2, 6)
    assert changed_cells([], new) == (0, 6)
    start, end = changed_cells(old, [line("a", "bc", ("def", "dim"))])
    assert start == end, "the same look in other spans"
    assert changed_cells([line("漢b")], [line("漢c")]) == (2, 3)
