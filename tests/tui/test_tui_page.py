"""The page that replays a search: what it is made of, and that nothing in it is obeyed."""

from __future__ import annotations

import html.parser
import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from store.answering.constants import DEFAULTS, constants_of
from store.answering.gains import gains
from store.answering.rules import RULES
from store.events import BackedUp, Critiqued, Event, Expanded, RolledOut, Selected, Step, Stopped, Valued
from store.selection import candidates
from store.tree import Tree, fold
from tests.store.strategies import live_searches
from tests.tui.made_searches import custom, mcts, votes
from tests.tui.page_texts import HOSTILE
from tui.page.choices import MOST_CHILDREN
from tui.page.page import file_name, page_data, replay_page

if TYPE_CHECKING:
    from store.events import SearchRecord

VALUE, VISITS, SAMPLES, SCORE, KIND, ANSWER = range(6)


class Parsed(html.parser.HTMLParser):
    """The tags of a page with their attributes, its scripts and styles, and its other text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.text = ""
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.inside.append((self._within, data))
        else:
            self.text += data


def hostile_search() -> SearchRecord:
    """A search in which every text is hostile, each kind in a step, an answer and a rollout of its own."""
    texts = list(HOSTILE.values())
    steps = tuple(Step(text, (1,), -1.0) for text in texts)
    events: list[Event] = [
        Selected(0),
        Expanded(0, steps, (1,) * len(steps)),
        *(Critiqued(place + 1, True, text, text) for place, text in enumerate(texts)),
        *(RolledOut(place + 1, (Step(text),), (0.5,), 0.5, 0.5, 1) for place, text in enumerate(texts)),
        Stopped("failed", 1, texts[0], "".join(texts[:9])),
    ]
    hostile = "".join(text for text in texts if len(text) < 5000)
    names: dict[str, Any] = dict.fromkeys(("question", "problem", "oracle", "policy", "method"), hostile)
    return custom(0, *events, **names, answer_by="majority", settings={hostile: hostile, "exploration": 1.0})


def check_page(page: str) -> Parsed:
    """The page runs only its own script, and asks for nothing."""
    found = Parsed(page)
    policy = next(a["content"] or "" for tag, a in found.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy
    scripts = [a for tag, a in found.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "replay"}, {}]
    for (_, text), source in zip(
        [found.inside[0], found.inside[-1]],
        re.findall(r"(?:style|script)-src ('[^']+')", policy)[::-1],
        strict=True,
    ):
        assert source == f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
    assert [tag for tag, _ in found.inside] == ["style", "script", "script"]
    allowed = {
        "meta",
        "section",
        "canvas",
        "input",
        "button",
        "kbd",
        "footer",
        "noscript",
        "details",
        "summary",
    }
    allowed |= {
        "html",
        "head",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "span",
        "p",
        "strong",
        "main",
        "div",
    }
    assert {tag for tag, _ in found.tags} <= allowed | {"table", "tr", "th", "td", "script"}
    for tag, attributes in found.tags:
        assert not {"src", "href", "action", "style"} & attributes.keys(), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert not re.search(
        r"url\(|@import|innerHTML|insertAdjacentHTML|document\.write|\beval\b", page_code(found)
    )
    return found


def page_code(found: Parsed) -> str:
    """The script and the style of the page."""
    return found.inside[0][1] + found.inside[-1][1]


def embedded(page: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Parsed(page).inside[1][1])
    return data


def replayed(data: dict[str, Any], position: int) -> list[list[Any]]:
    """The nodes after ``position`` events, as the script makes them of the changes."""
    nodes: list[list[Any]] = [[0, 0, 0, None, 0, None]]
    for event in data["events"][:position]:
        while len(nodes) < event["nodes"]:
            nodes.append([0, 0, 0, None, 0, None])
        for number, *new in event["changes"]:
            for place, value in enumerate(new):
                if value is not None:
                    nodes[number][place] = value
    return nodes


def test_what_models_wrote_is_text_and_nothing_else() -> None:
    page = replay_page("evil", hostile_search(), {HOSTILE["script"]: (None, 0.5), "__proto__": (None, 1.0)})
    found = check_page(page)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]", page)
    texts = embedded(page)["texts"]
    assert HOSTILE["script"] in texts and HOSTILE["template"] in texts
    assert "␛[2J␛[31m␍␈␀" in texts
    assert "</script>" in found.text, "the question is shown as it is"
    assert max(map(len, texts)) < 51_000 and len(page) < 2_000_000


def test_the_page_is_the_same_each_time() -> None:
    record = mcts(3)
    assert replay_page("demo", record, {}) == replay_page("demo", record, {})


@pytest.mark.parametrize("record", [mcts(3, rounds=40), votes(1, traces=9)], ids=["mcts", "votes"])
def test_the_changes_add_up_to_the_tree_after_every_event(record: SearchRecord) -> None:
    data = page_data(record, {})
    tree = Tree()
    constants = constants_of(record.header.settings)
    answer: list[Any] | None = None
    rows: list[Any] = []
    for position, event in enumerate(record.events, 1):
        tree.apply(event)
        moment = data["events"][position - 1]
        for node, shown in zip(tree.nodes, replayed(data, position), strict=True):
            assert shown[VALUE] == pytest.approx(node.value, abs=1e-4)
            assert (shown[VISITS], shown[SAMPLES]) == (node.visits, node.samples)
            assert (shown[SCORE] is None) == (node.score is None)
            assert (shown[KIND] >= 2) == node.finished
        assert moment["tokens"] == tree.cost.generated
        answer, rows = moment.get("answer", answer), moment.get("standings", rows)
        found = RULES[record.header.answer_by].run(tree, constants)
        assert (None if answer is None else (data["texts"][answer[0]], answer[1])) == (
            None if found is None else (found.text, found.node)
        )
    assert sum(row[3] for row in rows) == (len(tree.finished()) if rows else 0)


@settings(max_examples=30, deadline=None)
@given(live_searches())
def test_any_search_has_a_page(case: tuple[SearchRecord, Tree]) -> None:
    search, tree = case
    data = embedded(replay_page("run", search, {}))
    assert len(data["nodes"]) == len(tree.nodes) == len(replayed(data, len(search.events)))
    assert len(data["events"]) == len(search.events)


def test_a_selection_says_what_it_compared() -> None:
    record = mcts(5, rounds=12)
    data = page_data(record, {})
    assert data["terms"] == "exploration"
    levels = 0
    tree = Tree()
    for event, moment in zip(record.events, data["events"], strict=True):
        if isinstance(event, Selected):
            way = [0, *(node.id for node in tree.path(event.node))]
            for level in moment["why"]["levels"]:
                levels += 1
                assert way[way.index(level["parent"]) + 1] == level["taken"]
                expected = candidates(tree, tree.nodes[level["parent"]], 0.4, 0.8, event)
                assert [row[0] for row in level["rows"]] == [one.node for one in expected]
                totals = {row[0]: row[4] for row in level["rows"]}
                assert totals == pytest.approx({one.node: one.total for one in expected}, abs=1e-4)
                best = max(value for node, value in totals.items() if node != level["taken"])
                assert level["margin"] == pytest.approx(totals[level["taken"]] - best, abs=2e-4)
                assert level["margin"] >= 0
        tree.apply(event)
    assert levels > 10


def test_closed_children_and_running_rounds_are_said() -> None:
    steps = tuple(Step(f"step {number}\n", (1,)) for number in range(3))
    record = custom(
        0,
        Expanded(0, steps, (1, 1, 1)),
        Valued((1, 2, 3), (0.9, 0.5, 0.1)),
        BackedUp((1, 0), (1, 3), (0.9, 0.5)),
        Selected(2, (3,), (1,)),
        Stopped("rounds"),
    )
    (level,) = page_data(record, {})["events"][3]["why"]["levels"]
    assert level["closed"] == [1]
    assert [row[4] is None for row in level["rows"]] == [True, False, False]
    assert page_data(record, {})["events"][3]["why"]["running"] == 1


def test_a_posterior_search_shows_the_shares() -> None:
    steps = tuple(Step(f"{number}\n", (1,), -0.5 * number) for number in (1, 2))
    record = custom(
        0,
        Expanded(0, steps, (1, 1)),
        Valued((1, 2), (0.9, 0.2)),
        Selected(0),
        Stopped("budget"),
        method="posterior-search",
        answer_by="posterior-vote",
        settings={},
    )
    data = page_data(record, {})
    (level,) = data["events"][2]["why"]["levels"]
    assert data["terms"] == "posterior" and level["taken"] is None
    assert level["undrawn"] + sum(row[3] for row in level["rows"]) == pytest.approx(1, abs=1e-3)
    found = gains(fold(record.events[:2]), DEFAULTS)
    assert level["here"] == pytest.approx(found.own[0], rel=1e-3)
    for node, _, _, share, total, gain in level["rows"]:
        assert gain == pytest.approx(found.gain[node], rel=1e-3)
        assert total == pytest.approx(share * gain, rel=1e-3)


def test_gains_of_large_searches_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.page.choices.MOST_GAINS", 0)
    record = custom(0, Expanded(0, (Step("a"),), (1,)), Selected(0), method="posterior-search", settings={})
    (level,) = page_data(record, {})["events"][1]["why"]["levels"]
    assert "here" not in level and len(level["rows"][0]) == 5 and level["rows"][0][4] is None


def test_where_paths_left_the_right_way() -> None:
    record = votes(0, traces=3)
    tree = fold(record.events)
    ways = [row[5] for row in page_data(record, {})["nodes"]]
    right = {above.id for node in tree.finished() if node.correct for above in tree.ancestors(node.id)}
    assert right and {node for node, way in enumerate(ways) if way == 1} == right
    left = {node for node, way in enumerate(ways) if way == 2}
    assert left and all(tree.nodes[node].parent in right for node in left)


def test_a_wide_level_is_cut_and_keeps_what_was_taken() -> None:
    many = 5 * MOST_CHILDREN
    steps = tuple(Step(f"step {number}\n", (1,)) for number in range(many))
    record = custom(
        0,
        Expanded(0, steps, (1,) * many),
        Valued(tuple(range(1, many + 1)), tuple(number / many for number in range(many))),
        Selected(1),
        Stopped("rounds"),
        settings={},
    )
    (level,) = page_data(record, {})["events"][2]["why"]["levels"]
    assert len(level["rows"]) == MOST_CHILDREN and level["more"] == many - MOST_CHILDREN
    assert level["rows"][0][0] == 1 and level["rows"][-1][0] == many


def test_names_of_pages_stay_in_their_folder() -> None:
    assert file_name("tiny", "1.search/7") == "tiny-1.search-7.html"
    assert file_name("../..", "/etc/passwd") == "_..--etc-passwd.html"
    assert file_name("a\n", "c\x1b/1") == "a_-c_-1.html"
