"""Posterior search."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import log
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.search.methods.posterior_search import PosteriorSearch, Search, words
from restmcts.search.methods.sampling import Greedy
from restmcts.search.recorder import Recorder
from restmcts.search.requests import AskBudget, ProposeEach
from restmcts.search.settings import AnswerConstantsSettings
from restmcts.search.testing import Path, ScriptedSearch, scripted_search
from store.answering.constants import AnswerConstants
from store.answering.posterior import posterior, shares
from store.answering.rules import RULES
from store.events import Event, Expanded, Selected, Step
from store.tree import Tree, fold
from tests.search.search_engines import Writer, engines, run, task
from tui.replay.player import Player
from tui.replay.reasons.posterior import gains_at
from tui.replay.timeline import Timeline

PLAIN = AnswerConstantsSettings(policy=1, value=0.5, bias=0)
ENDLESS: dict[str, Any] = {"early_stop": False}


def selected(events: Sequence[Event]) -> list[int]:
    return [event.node for event in events if isinstance(event, Selected)]


def searched(propose: Any, value: Any, finished: Any, **settings: Any) -> ScriptedSearch:
    known = {**ENDLESS, **settings}
    budget, trace = known.pop("budget", None), known.pop("longest", 0)
    return scripted_search(
        "posterior-search",
        PosteriorSearch(**known),
        propose=propose,
        value=value,
        finished=finished,
        budget=budget,
        trace=trace,
    )


def test_a_small_search_by_hand() -> None:
    """Without log-probabilities shares of samples count; all values are .5, so that they weigh nothing.

    After a, c (nodes 1, 2): q = u = left = 1/2 at both nodes, the mean depth is 2.
        root: hit = 1/4, own = 1/2 · 1/4 / (1 + 2 · 1/4) = 1/12; a: own = 1/8, seen from the root 1/16.
    After b at the root (node 3): q = u = left = 1/3 there.
        root: hit = 1/6, own = 1/3 · 1/6 / (1 + 2/6) = 1/24; a: 1/3 · 1/8 = 1/24; b: 1/3 · 3/4 = 1/4.
    After d at b (node 4): b is like a. The root is not worse than a and b, and comes first.
    After a again at the root: q(a) = 1/2, q(b) = u = left = 1/4.
        root: hit = 1/8, own = 1/4 · 1/8 / (1 + 2/8) = 1/40; a: 1/2 · 1/8 = 1/16.
    """
    found = searched(
        {(): ["a", "b", "a"], ("a",): ["c", "e"], ("b",): ["d"]},
        lambda path: 0.5,
        lambda path: len(path) == 2,
        steps=6,
        constants=PLAIN,
    )
    assert selected(found.events) == [0, 1, 0, 3, 0, 1]
    assert found.outcome.reason == "rounds"
    assert found.tree.nodes[1].samples == 2


def test_the_first_step_of_a_node_is_greedy_and_later_ones_are_hotter_the_less_is_left() -> None:
    recorder = Recorder()
    search = Search(recorder, PosteriorSearch(temperatures=(0.7, 1.1, 1.9)))
    root, seen = recorder.tree.root, [search.temperature(recorder.tree.root)]
    for text, share in (("a", 0.6), ("b", 0.3), ("c", 0.08)):
        children = recorder.emit(Expanded(0, (Step(text, (1,), log(share)),), (1,)))
        search.learn([root], children)
        seen.append(search.temperature(root))
    assert seen == [0.0, 0.7, 1.1, 1.9]  # 1, .4, .1 and .02 are left


def test_where_samples_are_counted_the_temperature_stays() -> None:
    found = searched({(): ["a"] * 30}, lambda path: 0.5, {("a",)}, steps=30)
    asked = [request for request in found.asked if isinstance(request, ProposeEach)]
    assert [request.proposals[0].temperature for request in asked] == [0.0] + [0.8] * 29


def test_an_empty_sample_is_drawn_again_at_a_temperature() -> None:
    found = searched({(): ["", "a"]}, lambda path: 0.5, {("a",)}, steps=2)
    asked = [request for request in found.asked if isinstance(request, ProposeEach)]
    assert [request.proposals[0].temperature for request in asked] == [0.0, 0.8]
    assert found.answer == "a"


def world(seed: int, variety: int, depth: int) -> tuple[Any, Any, Any]:
    """A policy, a value model and a critic that depend on the partial solution, and on the draw."""
    count: dict[Path, int] = {}

    def number(*parts: object) -> int:
        return int.from_bytes(hashlib.sha256(repr((seed, *parts)).encode()).digest()[:4])

    def propose(path: Path) -> str:
        count[path] = count.get(path, 0) + 1
        return f"{number(path, count[path]) % variety}\n"

    return propose, lambda path: number("value", path) % 101 / 100, lambda path: len(path) == depth


def worth(tree: Tree, settings: PosteriorSearch, depth: int) -> list[float]:
    """What a step at each node is worth, as seen from the root, with all nodes weighed anew."""
    constants = settings.answer_constants()
    chances = posterior(tree, constants)
    found = []
    for node in tree.nodes:
        rest = max(0, depth - node.depth - 1)
        divided = shares(tree, node, constants)
        hit = 0.5 * divided.left
        own = divided.undrawn * hit / (1 + 2 * rest * hit) if node.children else 0.75 / (1 + 2 * rest)
        found.append(0.0 if node.finished else chances[node.id] * own)
    return found


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_step_is_drawn_where_it_is_worth_most(seed: int, variety: int, depth: int, ratio: bool) -> None:
    """Where all solutions are equally long, what was weighed along paths is what all nodes weigh."""
    constants = AnswerConstantsSettings(step_values="ratio" if ratio else "score")
    found = searched(*world(seed, variety, depth), steps=40, doubt=0, constants=constants)
    wanted = PosteriorSearch(constants=constants)
    seen = 0
    for place, event in enumerate(found.events):
        tree = fold(found.events[:place])
        if isinstance(event, Selected) and tree.finished():
            values = worth(tree, wanted, depth)
            assert values[event.node] == pytest.approx(max(values))
            seen += 1
    assert seen == 40 - depth


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_at_one_trace_it_is_greedy_decoding(seed: int, depth: int, shorter: int) -> None:
    """Whatever the values are; the policy is greedy, and no solution is longer than the longest."""
    _, value, finished = world(seed, 5, depth)
    fixed, _, _ = world(seed, 5, depth)
    table: dict[Path, str] = {}

    def propose(path: Path) -> str:
        return table.setdefault(path, fixed(path))

    greedy = scripted_search("greedy", Greedy(), propose=propose, value=value, finished=finished)
    found = searched(propose, value, finished, budget=depth, longest=depth + shorter)
    assert found.answer == greedy.answer
    assert [node.step for node in found.tree.nodes] == [node.step for node in greedy.tree.nodes]
    assert found.outcome.reason == ("budget" if depth else "exhausted")


def doubtful(budget: int | None, **settings: Any) -> ScriptedSearch:
    return searched(
        {(): ["bad", "good"], ("bad",): ["x"], ("bad", "x"): ["1"], ("good",): ["y"], ("good", "y"): ["2"]},
        lambda path: 0.01 if path[0] == "bad" else 0.9,
        lambda path: len(path) == 3,
        budget=budget,
        longest=3,
        **settings,
    )


def test_a_doubtful_first_step_is_drawn_again_where_the_rest_pays_for_a_solution_and_a_step() -> None:
    rich = doubtful(5)
    assert selected(rich.events)[:3] == [0, 0, 2]
    assert rich.answer == "2"
    poor = doubtful(4)
    assert selected(poor.events)[:3] == [0, 1, 2]
    assert poor.answer == "1"
    assert sum(isinstance(request, AskBudget) for request in rich.asked) == 1
    assert doubtful(5, doubt=0).answer == "1"
    assert doubtful(5, trace=4).answer == "1"


def test_a_search_ends_where_nothing_new_can_come() -> None:
    found = searched(
        {(): ["a", "b"], ("a",): ["c"], ("b",): ["", "d"]},
        lambda path: 0.5,
        {("a", "c"), ("b", "d")},
        attempts=2,
    )
    assert found.outcome.reason == "exhausted"
    assert {node.step.text for node in found.tree.nodes if node.step} == {"a", "b", "c", "d"}
    assert searched({}, lambda path: 0.5, ()).outcome.reason == "exhausted"


def test_a_node_without_a_next_step_is_a_solution() -> None:
    found = searched({(): ["a"], ("a",): [""]}, lambda path: 0.5, (), attempts=2)
    assert found.outcome.reason == "exhausted"
    assert found.node("a").finished


def test_solutions_have_at_most_so_many_steps() -> None:
    found = searched(*world(1, 2, 10), steps=30, depth=3)
    assert max(node.depth for node in found.tree.nodes) == 3


def test_it_stops_when_its_answer_is_sure_enough() -> None:
    """p = 1/2, v = 1: W = 1/2 · (.997 / .003)^.5 = 9.1 of 9.6 at both steps."""
    script: Any = {(): ["a"], ("a",): ["b"]}, lambda path: 1.0, {("a", "b")}
    gated = searched(*script, early_stop=True, end_gate=0.85, constants=PLAIN)
    assert (gated.outcome.reason, gated.outcome.node, gated.answer) == ("gate", 2, "b")
    assert searched(*script, early_stop=True, end_gate=0.92, constants=PLAIN).outcome.reason == "exhausted"
    unsure = PLAIN.model_copy(update={"confidence": {"posterior-vote": ((0.0, 0.0), (1.0, 0.5))}})
    assert searched(*script, early_stop=True, end_gate=0.85, constants=unsure).outcome.reason == "exhausted"
    first = searched(*script, early_stop=True, end_gate=0.0, answer_by="first", constants=PLAIN)
    assert first.outcome.reason == "exhausted"


@given(st.integers(0, 10**6), st.floats(0.2, 0.9))
@settings(max_examples=40, deadline=None)
def test_it_stops_at_the_first_moment_at_which_the_rule_is_sure_enough(seed: int, gate: float) -> None:
    found = searched(*world(seed, 3, 2), steps=30, early_stop=True, end_gate=gate)
    sure = []
    for place, event in [*enumerate(found.events), (len(found.events), Selected(0))]:
        if isinstance(event, Selected):
            answer = RULES["posterior-vote"].run(fold(found.events[:place]), AnswerConstants())
            sure.append(answer is not None and (answer.confidence or 0.0) >= gate)
    assert not any(sure[:-1])
    assert sure[-1] == (found.outcome.reason == "gate")


@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_steps_that_are_drawn_at_the_same_time_are_at_different_nodes(
    seed: int, variety: int, draws: int
) -> None:
    found = searched(*world(seed, variety, 3), steps=40, draws=draws)
    batches = [request.proposals for request in found.asked if isinstance(request, ProposeEach)]
    assert sum(map(len, batches)) == 40
    assert max(map(len, batches)) > 1
    for proposals in batches:
        nodes = [proposal.prefix.node for proposal in proposals]
        assert len(set(nodes)) == len(nodes) <= draws
    assert selected(found.events) == [one.prefix.node for proposals in batches for one in proposals]


def test_steps_of_the_same_words_are_one_child() -> None:
    script: Any = {(): ["So, x = 3.\n", "so x = 3", "So x = 35\n"]}, lambda path: 0.5, lambda path: True
    plain = searched(*script, steps=3)
    assert len(plain.tree.nodes) == 4
    merged = searched(*script, steps=3, merge="words")
    assert [node.step.text for node in merged.tree.nodes if node.step] == ["So, x = 3.\n", "So x = 35\n"]
    assert merged.tree.nodes[1].samples == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("So, x = 3.", "so  x=3", True),
        ("It is 3.5!", "it is 3.5", True),
        ("It is 3.5", "it is 35", False),
        ("x + 1", "x - 1", False),
        ("2*(3+4)", "2*3+4", False),
        ("**Thus** it is", "Thus it is", False),
    ],
)
def test_numbers_and_operators_are_words(one: str, other: str, same: bool) -> None:
    assert (words(one) == words(other)) is same


@pytest.mark.parametrize("draws", [1, 3])
def test_a_whole_budget_is_used(draws: int) -> None:
    """Steps of one to four tokens: what is left at the end pays for no step."""
    for seed in range(10):
        chosen = PosteriorSearch(early_stop=False, draws=draws)
        record = run(task("posterior-search", chosen, budget=150, seed=seed), engines(Writer(variety=9)))
        assert record.result.reason == "budget"
        assert 147 <= record.result.cost.generated <= 150


def test_the_constants_stand_in_the_record() -> None:
    chosen = PosteriorSearch(steps=10, early_stop=False)
    record = run(task("posterior-search", chosen), engines())
    assert record.header.settings["constants"]["step_values"] == "score"
    record = run(task("posterior-search", chosen), engines(aggregation="product"))
    assert record.header.settings["constants"]["step_values"] == "ratio"
    fitted = AnswerConstants(0.7, 0.6, 0.5, "ratio", "share")
    record = run(task("posterior-search", chosen), engines(aggregation="product", constants=fitted))
    assert record.header.settings["constants"]["policy"] == 0.7
    given = chosen.model_copy(update={"constants": AnswerConstantsSettings(policy=2)})
    record = run(task("posterior-search", given), engines(aggregation="product", constants=fitted))
    assert record.header.settings["constants"] | {"policy": 0.7} == {
        "policy": 0.7,
        "value": 0.6,
        "bias": 0.5,
        "step_values": "ratio",
        "probabilities": "share",
        "vote": [],
        "confidence": {},
    }
    assert record.header.settings["constants"]["policy"] == 2
    answered = RULES["posterior-vote"].run(fold(record.events), given.answer_constants(fitted))
    assert answered is not None and answered.text == record.result.answer


def test_a_search_whose_rules_need_no_constants_stores_none() -> None:
    record = run(task("mcts-improved", budget=60), engines())
    assert "constants" not in record.header.settings


def test_repeats_are_counted_and_not_valued_again() -> None:
    found = searched({(): ["a", "a"]}, lambda path: 0.5, {("a",)}, steps=2)
    assert [type(event).__name__ for event in found.events] == [
        "Selected", "Expanded", "Valued", "Critiqued", "Selected", "Expanded",
    ]  # fmt: skip
    assert isinstance(found.events[-1], Expanded)
    assert found.tree.nodes[1].samples == 2


def test_the_gains_of_a_stored_tree_lead_to_the_node_that_the_search_selected() -> None:
    """From the first solution on; branches that the search has not weighed anew lately may differ."""
    agree, all_ = 0, 0
    for number in range(6):
        record = run(
            task("posterior-search", PosteriorSearch(early_stop=False), budget=60 + number), engines()
        )
        player = Player(record)
        while player.position < player.length:
            player.forward()
            if isinstance(player.event, Selected) and any(node.finished for node in player.tree.nodes):
                all_ += 1
                agree += _walked(player, player.event) == player.event.node
    assert all_ > 20
    assert agree > 0.9 * all_


def _walked(player: Player, event: Selected) -> int:
    found, node = gains_at(player, event), player.tree.root
    while found.gain[node.id] > found.own[node.id]:
        pairs = zip(found.shares[node.id].children, node.children, strict=True)
        node = player.tree.nodes[max(pairs, key=lambda pair: pair[0] * found.gain[pair[1]])[1]]
    return node.id


def test_a_replay_tells_the_answer_so_far_and_how_sure_it_is() -> None:
    record = run(task("posterior-search", PosteriorSearch(early_stop=False), budget=80), engines())
    player = Player(record)
    while player.position < player.length:
        player.forward()
    assert player.answer is not None and player.answer.text == record.result.answer
    assert player.rounds and player.selected == selected(record.events)[-1]
    shown = "".join(part[0] for row in Timeline(player).lines(120) for part in row)
    assert f"by posterior-vote, confidence {player.answer.confidence:.3f})" in shown
