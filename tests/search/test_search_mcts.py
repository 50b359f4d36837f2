"""MCTS* on small searches that are worked out by hand.

Scores: an unvisited child V + bonus, a visited one V + c·sqrt(2·ln N_parent / N). All values are binary
fractions, so that equality is exact where no root is taken.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from restmcts.search.methods.mcts import IDLE_ROUNDS, Mcts
from restmcts.search.requests import Propose
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.events import Expanded, RolledOut, Selected

Path = tuple[str, ...]


def paths(table: dict[str, Any]) -> dict[Path, Any]:
    """Partial solutions are written as words: ``"a b"`` is step a, then step b; ``""`` is the root."""
    return {tuple(key.split()): value for key, value in table.items()}


def search(
    settings: Mcts,
    draws: dict[str, list[str]],
    values: dict[str, float],
    finished: tuple[str, ...] = (),
    seed: int = 0,
) -> ScriptedSearch:
    done = {tuple(key.split()) for key in finished}
    return scripted_search(
        "mcts", settings, propose=paths(draws), value=paths(values), finished=done, seed=seed
    )


def draws_at(found: ScriptedSearch, *steps: str) -> int:
    """How many samples were asked for after a partial solution that is in the tree."""
    node = found.node(*steps).id
    asked = [request for request in found.asked if isinstance(request, Propose)]
    return sum(request.n for request in asked if request.prefix.node == node and not request.prefix.steps)


def selected(found: ScriptedSearch) -> list[Path]:
    return [
        tuple(step.text for step in found.tree.steps(event.node))
        for event in found.events
        if isinstance(event, Selected)
    ]


def test_rollouts_of_two_branches_mixed_by_alpha_and_a_dead_end() -> None:
    """c .5, bonus 1, α .5, rollouts of 1 step and 2 branches, gate ``finished``.

    round  selected                    expansion    rollout                       backup
    1      root                        a .5, b .25  from a (1.5 > 1.25):          root N 1, V .625
                                                    x .25, y .75: v_max .75
                                                    V_a = .25 + .375 = .625, N 1
    2      a .625 + 0 < b .25 + 1: b   p .5, q 0    from p (1.5 > 1): r 1.0 and   b N 1, V .75
                                                    a draw that fails 3 times     root N 2,
                                                    V_p = .25 + .5 = .75, N 1     V (.625 + .75)/2
    3      s = .5·sqrt(2 ln 2) = .589  none: q is   -                             q N 1, V 0
           a .625 + s < b .75 + s: b   finished                                   b N 2, V (.75 + 0)/2
           p .75 + 0 < q 0 + 1: q                                                 root N 3,
                                                                                  V (.625 + 2·.375)/3
    """
    found = search(
        Mcts(branch=2, rounds=3, rollout_steps=1, rollout_branch=2, exploration=0.5, unvisited_bonus=1.0),
        {"": ["a", "b"], "a": ["x", "y"], "b": ["p", "q"], "b p": ["r"]},
        {"a": 0.5, "b": 0.25, "a x": 0.25, "a y": 0.75, "b p": 0.5, "b q": 0.0, "b p r": 1.0},
    )
    assert selected(found) == [(), ("b",), ("b", "q")]
    assert found.table() == paths(
        {
            "": (3, (0.625 + 2 * 0.375) / 3),
            "a": (1, 0.625),
            "b": (2, 0.375),
            "b p": (1, 0.75),
            "b q": (1, 0.0),
        }
    )
    rollouts = [event for event in found.events if isinstance(event, RolledOut)]
    assert [[step.text for step in event.steps] for event in rollouts] == [["y"], ["r"]]
    assert [event.best for event in rollouts] == [0.75, 1.0]
    assert found.outcome.reason == "rounds"
    assert found.node("b", "q").finished and found.node("b", "q").answer is None
    assert found.answer is None
    assert draws_at(found, "b", "q") == 6  # two steps wanted, three attempts each


GATED: dict[str, Any] = {
    "draws": {"": ["a", "b"], "b": ["c", "d"]},
    "values": {"a": 0.875, "b": 0.5, "b c": 1.0, "b d": 0.875},
}


def gated(gate: Any) -> ScriptedSearch:
    settings = Mcts(
        branch=2, rounds=9, rollout_steps=0, exploration=0, unvisited_bonus=0.5, end_gate=0.8, gate=gate
    )
    return search(settings, **GATED)


def test_gate_value_stops_at_a_node_that_is_not_finished() -> None:
    """c 0, bonus .5, α .5; rollouts of no step have v_max 0, so they halve the value.

    round  selected                          expansion        rollout          backup
    1      root                              a .875, b .5     V_a .4375, N 1   root N 1, V .4375
    2      a .4375 < b 1.0: b                c 1.0, d .875    V_c .5, N 1      b N 1, V .5; root N 2, V .46875
    3      a .4375 < b .5: b                 stop
           c .5 < d 1.375: d, V .875 ≥ .8
    """
    found = gated("value")
    assert found.table() == paths(
        {"": (2, 0.46875), "a": (1, 0.4375), "b": (1, 0.5), "b c": (1, 0.5), "b d": (0, 0.875)}
    )
    assert (found.outcome.reason, found.outcome.node) == ("gate", found.node("b", "d").id)
    assert found.node("b", "d").finished and found.answer is None


def test_gate_finished_goes_on_until_the_node_is_finished() -> None:
    """As above to round 3, where d is not finished, has no next step, and so becomes finished:

    3      d: no expansion and no rollout; d N 1, V .875; b N 2, V (.5 + .875)/2 = .6875
           root N 3, V (.4375 + 2·.6875)/3
    4      a .4375 < b .6875, c .5 < d .875: d is finished and V ≥ .8: stop
    """
    found = gated("finished")
    assert found.table() == paths(
        {
            "": (3, (0.4375 + 2 * 0.6875) / 3),
            "a": (1, 0.4375),
            "b": (2, 0.6875),
            "b c": (1, 0.5),
            "b d": (1, 0.875),
        }
    )
    assert (found.outcome.reason, found.outcome.node) == ("gate", found.node("b", "d").id)


def test_data_generation_goes_on_after_the_gate() -> None:
    """early_stop False, gate ``finished`` at .75; c 0, bonus .5, α .5; three draws, duplicates merged.

    round  selected               expansion              rollout                     backup
    1      root                   a 1.0 (twice), b .625  from a, which is finished:  root N 1, V 1
                                                         v_max = V: V_a 1, N 1
    2      a 1 < b 1.125: b       c .25 (three times)    from c: d .75               b N 1, V .5
                                                         V_c .125 + .375 = .5, N 1   root N 2, V .75
    3      b .5 < a 1: a, at the  -                      -                           a N 2, V 1
           gate, finished                                                            root N 3, V (2 + .5)/3
    4      a again                -                      -                           a N 3
                                                                                     root N 4, V 3.5/4
    """
    found = search(
        Mcts(
            branch=3, rounds=4, rollout_steps=1, exploration=0, unvisited_bonus=0.5, end_gate=0.75,
            early_stop=False,
        ),
        {"": ["a", "b", "a"], "b": ["c", "c", "c"], "b c": ["d"]},
        {"a": 1.0, "b": 0.625, "b c": 0.25, "b c d": 0.75},
        finished=("a", "b c d"),
    )  # fmt: skip
    assert found.table() == paths({"": (4, 0.875), "a": (3, 1.0), "b": (1, 0.5), "b c": (1, 0.5)})
    expansions = [event.samples for event in found.events if isinstance(event, Expanded)]
    assert expansions == [(2, 1), (3,)]
    assert found.outcome.reason == "rounds" and found.outcome.node is None
    assert found.answer == "a"
    with pytest.raises(KeyError):
        found.node("b", "c", "d")  # the steps of a rollout do not join the tree


def test_data_generation_by_value_marks_what_reaches_the_gate_as_finished() -> None:
    """early_stop False, gate ``value`` at .75; c 0, bonus .5, α .5.

    round  selected               expansion                     rollout                     backup
    1      root                   a .75, b .875, c .8125        from b: x .125              root N 1, V .5
                                                                V_b .4375 + .0625 = .5
    2      c 1.3125 > a 1.25 > b .5: c, V .8125 ≥ .75: marked as finished, not expanded     c N 1
                                                                                            root N 2, V .65625
    end    a was not visited, V .75 ≥ .75: marked as finished; b, V .5, is not
    """
    found = search(
        Mcts(
            branch=3, rounds=2, rollout_steps=1, exploration=0, unvisited_bonus=0.5, end_gate=0.75,
            early_stop=False, gate="value",
        ),
        {"": ["a", "b", "c"], "b": ["x"]},
        {"a": 0.75, "b": 0.875, "c": 0.8125, "b x": 0.125},
    )  # fmt: skip
    assert found.table() == paths({"": (2, 0.65625), "a": (0, 0.75), "b": (1, 0.5), "c": (1, 0.8125)})
    assert [node.step.text for node in found.tree.finished() if node.step] == ["a", "c"]


def test_exploration_comes_back_to_the_less_visited_child() -> None:
    """c 1, bonus 1, α 0 (rollouts change nothing), every step followed by one of the same value.

    round  selected                                                             backup
    1      root; a .5, b .375; rollout from a, N 1                              root N 1, V .5
    2      a .5 + 0 < b .375 + 1: b; child b' .375, N 1                         b N 1, V .375
                                                                                root N 2, V .4375
    3      s = sqrt(2 ln 2) = 1.177: a .5 + s > b .375 + s: a; child a' .5      a N 2, V .5
                                                                                root N 3, V (1 + .375)/3
    4      a .5 + sqrt(2 ln 3 / 2) = 1.548 < b .375 + sqrt(2 ln 3) = 1.857: b, then b'; child b'' .375
                                                                                b' N 2, b N 2, V .375
                                                                                root N 4, V (1 + .75)/4
    """
    settings = Mcts(branch=1, rounds=4, rollout_steps=1, exploration=1, unvisited_bonus=1, alpha=0)
    chain = {"a": ["a'", "a'"], "a a'": ["a''"], "b": ["b'"], "b b'": ["b''", "b''"], "b b' b''": ["b'''"]}
    values = {"a": 0.5, "a a'": 0.5, "a a' a''": 0.5}
    values |= {"b": 0.375, "b b'": 0.375, "b b' b''": 0.375, "b b' b'' b'''": 0.375}
    # one draw an expansion: the root gets its two children from two draws
    found = search(settings.model_copy(update={"branch": 2}), {"": ["a", "b"], **chain}, values)
    assert selected(found) == [(), ("b",), ("a",), ("b", "b'")]
    assert found.table() == paths(
        {
            "": (4, 0.4375),
            "a": (2, 0.5),
            "a a'": (1, 0.5),
            "b": (2, 0.375),
            "b b'": (2, 0.375),
            "b b' b''": (1, 0.375),
        }
    )


def test_a_rollout_follows_the_best_step_and_remembers_the_largest_value() -> None:
    """α .5; from a .5: x .25 or y .75 (y is followed), then p .5 or q .25; v_max .75, not the last .5."""
    found = search(
        Mcts(branch=1, rounds=1, rollout_steps=2, rollout_branch=2),
        {"": ["a"], "a": ["x", "y"], "a y": ["p", "q"]},
        {"a": 0.5, "a x": 0.25, "a y": 0.75, "a y p": 0.5, "a y q": 0.25},
    )
    assert found.table() == paths({"": (1, 0.625), "a": (1, 0.625)})
    (event,) = (event for event in found.events if isinstance(event, RolledOut))
    assert ([step.text for step in event.steps], event.values, event.best) == (["y", "p"], (0.75, 0.5), 0.75)


def test_a_rollout_ends_at_a_finished_solution() -> None:
    found = search(
        Mcts(branch=1, rounds=1, rollout_steps=3), {"": ["a"], "a": ["x"]}, {"a": 0.5, "a x": 0.25}, ("a x",)
    )
    (event,) = (event for event in found.events if isinstance(event, RolledOut))
    assert [step.text for step in event.steps] == ["x"]
    assert found.value("a") == 0.375  # (.5 + .25)/2


@pytest.mark.parametrize(("draws", "children"), [(["", "", "a", "b"], "ab"), (["", "", "", "b"], "b")])
def test_an_empty_proposal_is_drawn_again_three_times_in_all(draws: list[str], children: str) -> None:
    found = search(Mcts(branch=2, rounds=1, rollout_steps=0), {"": draws}, {"a": 0.5, "b": 0.5})
    assert {path[0] for path in found.table() if path} == set(children)


def test_ties_are_broken_by_the_seed_alone() -> None:
    """Two children with equal promise: the first number that the search draws decides."""
    chosen = set()
    for seed in range(10):
        settings = Mcts(branch=2, rounds=1, rollout_steps=0)
        found = search(settings, {"": ["a", "b"]}, {"a": 0.5, "b": 0.5}, seed=seed)
        (visited,) = (path[0] for path, (visits, _) in found.table().items() if path and visits)
        assert visited == Random(seed).choice("ab")
        chosen.add(visited)
    assert chosen == {"a", "b"}


def test_a_root_without_any_step_is_a_search_without_an_answer() -> None:
    found = search(Mcts(rounds=3), {}, {})
    assert found.table() == {(): (3, 0.0)}
    assert found.answer is None


def test_finished_children_are_known_before_they_are_selected() -> None:
    """The answer stands in the tree as soon as its step does, whether or not the search got to it."""
    found = search(
        Mcts(branch=2, rounds=1, rollout_steps=0), {"": ["a", "b"]}, {"a": 0.75, "b": 0.5}, finished=("b",)
    )
    assert found.visits("b") == 0
    assert found.answer == "b"


def test_kept_rollouts_join_the_tree_unvisited_and_their_answers_count() -> None:
    """α .5: a .25, then b .5 and c 1.0 (finished) join; V_a = .125 + .5 = .625."""
    found = search(
        Mcts(branch=1, rounds=1, rollout_steps=5, keep_rollouts=True),
        {"": ["a"], "a": ["b"], "a b": ["c"]},
        {"a": 0.25, "a b": 0.5, "a b c": 1.0},
        finished=("a b c",),
    )
    assert found.table() == paths({"": (1, 0.625), "a": (1, 0.625), "a b": (0, 0.5), "a b c": (0, 1.0)})
    assert found.answer == "c"


def test_closed_nodes_are_not_selected_again_and_end_the_search_when_nothing_is_open() -> None:
    """c 0, bonus .5: round 1 closes a, finished; round 2 goes to b, whose child c is finished: done."""
    found = search(
        Mcts(
            branch=2, rounds=9, rollout_steps=1, exploration=0, unvisited_bonus=0.5, close_finished=True,
            early_stop=False,
        ),
        {"": ["a", "b"], "b": ["c"]},
        {"a": 1.0, "b": 0.25, "b c": 0.5},
        finished=("a", "b c"),
    )  # fmt: skip
    assert selected(found) == [(), ("b",)]
    assert found.outcome.reason == "exhausted"
    assert found.table() == paths({"": (2, 0.75), "a": (1, 1.0), "b": (1, 0.5), "b c": (1, 0.5)})


def test_without_a_limit_of_rounds_idle_rounds_end_the_search() -> None:
    settings = Mcts(branch=1, rounds=0, early_stop=False)
    found = search(settings, {"": ["a"]}, {"a": 0.5}, finished=("a",))
    assert found.outcome.reason == "exhausted"
    assert found.visits() == 1 + IDLE_ROUNDS


def test_gated_leaves_are_finished_also_when_a_search_is_exhausted() -> None:
    """a 1.0 is chosen before b .875 + .1 every time; b is at the gate when the rounds have run idle."""
    settings = Mcts(
        branch=2, rounds=0, gate="value", end_gate=0.8, early_stop=False, exploration=0, unvisited_bonus=0.1
    )
    found = search(settings, {"": ["a", "b"]}, {"a": 1.0, "b": 0.875}, finished=("a",))
    assert found.outcome.reason == "exhausted"
    assert {node.step.text for node in found.tree.finished() if node.step} == {"a", "b"}
