"""Searches and rows as JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.encoding.lines import parse_line
from store.encoding.rows import (
    checkpoint_from,
    encode_checkpoint,
    encode_evaluation,
    encode_labels,
    encode_metric,
    encode_sample,
    evaluation_from,
    labels_from,
    metric_from,
    sample_from,
)
from store.encoding.searches import decode_search, encode_search, search_id
from store.errors import StoreError, UnstorableError
from store.events import (
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.tree import Tree, fold
from tests.store.build import (
    CHECKPOINT,
    EVALUATION,
    METRIC,
    POLICY_SAMPLE,
    PREFERENCE_SAMPLE,
    VALUE_SAMPLE,
    record,
    with_text,
)
from tests.store.strategies import live_searches, searches


@given(searches())
def test_a_search_comes_back_as_it_was(search: SearchRecord) -> None:
    line = encode_search(search)
    assert decode_search(line) == search
    assert encode_search(decode_search(line)) == line
    assert b"\n" not in line


@given(live_searches())
def test_the_tree_of_what_was_stored_is_the_live_tree(search: tuple[SearchRecord, Tree]) -> None:
    stored, tree = search
    assert fold(decode_search(encode_search(stored)).events) == tree


def test_events_are_readable() -> None:
    row = orjson.loads(encode_search(record()))
    assert row["format"] == 1
    assert row["events"][0] == {"kind": "selected", "node": 0}
    assert row["events"][2] == {
        "kind": "expanded",
        "node": 0,
        "steps": [
            {"text": "2 + 3 = 5\n", "tokens": [1, 2, 0], "logprob": -0.5},
            {"text": "2 + 3 = 6\n", "tokens": [1, 2, 1], "logprob": -0.5},
        ],
        "samples": [2, 1],
        "cost": {"policy": 6, "prompt": 20, "calls": 2},
    }
    assert row["events"][4]["steps"][0]["ended"] is True
    assert search_id(row) == "1.search/0"


HOSTILE = [
    "\x1b[2J\x1b]0;title\x07",
    "nul \x00 in the middle",
    "[bold red]markup[/]",
    "new\nline\r\n\u2028\u2029",
    '"quotes" and \\ backslashes \\ud800',
    "\U0010ffff 👩‍👩‍👧 \u202e right to left",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_comes_back_as_it_was(text: str) -> None:
    search = with_text(text)
    line = encode_search(search)
    assert b"\n" not in line
    assert decode_search(line) == search
    assert json.loads(line)["header"]["question"] == text


def test_lone_surrogates_are_written_so_that_they_can_be_read() -> None:
    search = with_text("a\ud800b\udfffc")
    stored = decode_search(encode_search(search))
    assert stored.header.question == "a\\ud800b\\udfffc"
    assert len(fold(stored.events).nodes) == len(fold(search.events).nodes)
    json.loads(encode_search(search))


def test_steps_that_differ_in_a_surrogate_stay_apart() -> None:
    plain = record()
    steps = (Step("\ud800"), Step("\ud801"))
    stored = decode_search(encode_search(replace(plain, events=(Expanded(0, steps, (1, 1)),))))
    assert isinstance(stored.events[0], Expanded)
    assert stored.events[0].steps[0] != stored.events[0].steps[1]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    plain = record()
    broken = [
        replace(plain, events=(Valued((0,), (number,)),)),
        replace(plain, events=(Valued((0, 1, 2), (1e308, 1e308, number)),)),
        replace(plain, events=(Expanded(0, (Step("a", (), number),), (1,)),)),
        replace(plain, result=replace(plain.result, seconds=number)),
        replace(plain, header=replace(plain.header, settings={"a": [{"b": number}]})),
    ]
    for search in broken:
        with pytest.raises(StoreError, match=r"1\.search/0.*finite"):
            encode_search(search)


ANY_NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.just(10**400) | st.booleans() | st.none()


@given(
    cost=st.builds(Cost, ANY_NUMBERS, ANY_NUMBERS, ANY_NUMBERS),
    number=ANY_NUMBERS,
    others=st.lists(ANY_NUMBERS, max_size=3).map(tuple),
    text=st.text(st.characters(codec="utf-8"), max_size=3) | ANY_NUMBERS,
)
def test_what_is_written_can_be_read(cost: Any, number: Any, others: Any, text: Any) -> None:
    """Whatever stands in a record: it is refused when it is written, or comes back as it was."""
    plain = record()
    step = Step(text, others, number, number)
    candidates: list[Event] = [
        Expanded(number, (step,), others, cost),
        Valued(others, others),
        Critiqued(0, number, text, text),
        BackedUp((0,), others, others, cost),
        Verified((0,), others),
        Stopped(text, number, text, text),
        Selected(0, others, others, cost),
    ]
    searches = [replace(plain, events=(event,)) for event in candidates]
    searches.append(replace(plain, result=replace(plain.result, cost=cost, seconds=number, answer=text)))
    searches.append(replace(plain, header=replace(plain.header, seed=number, question=text, budget=number)))
    for search in searches:
        try:
            line = encode_search(search)
        except UnstorableError:
            continue
        assert decode_search(line) == search


@pytest.mark.parametrize("cost", [Cost(policy=2**63), Cost(prompt=-1), Cost(calls=2**64)])
def test_costs_that_cannot_be_are_refused(cost: Cost) -> None:
    with pytest.raises(UnstorableError, match=r"1\.search/0"):
        encode_search(replace(record(), events=(Valued((0,), (0.5,), cost),)))


def test_large_finite_numbers_are_not_refused() -> None:
    search = replace(record(), events=(Valued((0, 1), (1e308, 1e308)),))
    assert decode_search(encode_search(search)) == search


@pytest.mark.parametrize("settings", [{"a": object()}, {1: 2}, {"a": 2**70}, {"a": {1, 2}}])
def test_settings_that_are_no_json_are_refused(settings: dict[Any, Any]) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        encode_search(record(settings=settings))


def test_a_seed_beyond_64_bits_is_refused() -> None:
    with pytest.raises(StoreError, match="64 bits"):
        encode_search(record(seed=2**63))


def without(row: dict[str, Any], *path: Any) -> dict[str, Any]:
    copy: dict[str, Any] = orjson.loads(orjson.dumps(row))
    inner: Any = copy
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return copy


def with_value(row: dict[str, Any], value: Any, *path: Any) -> dict[str, Any]:
    copy: dict[str, Any] = orjson.loads(orjson.dumps(row))
    inner: Any = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


ROW: dict[str, Any] = parse_line(encode_search(record()))
MALFORMED: list[Any] = [
    [],
    None,
    7,
    {},
    without(ROW, "format"),
    without(ROW, "header"),
    without(ROW, "events"),
    without(ROW, "result"),
    without(ROW, "header", "seed"),
    without(ROW, "events", 0, "kind"),
    without(ROW, "events", 2, "steps"),
    without(ROW, "events", 2, "steps", 0, "text"),
    with_value(ROW, 1, "more"),
    with_value(ROW, 1, "header", "more"),
    with_value(ROW, True, "header", "seed"),
    with_value(ROW, 2**63, "header", "seed"),
    with_value(ROW, [], "header", "settings"),
    with_value(ROW, {}, "events"),
    with_value(ROW, 3, "events", 0),
    with_value(ROW, "other", "events", 0, "kind"),
    with_value(ROW, [], "events", 0, "kind"),
    with_value(ROW, "0", "events", 0, "node"),
    with_value(ROW, 0.0, "events", 0, "node"),
    with_value(ROW, "ab", "events", 2, "steps"),
    with_value(ROW, ["a"], "events", 2, "steps"),
    with_value(ROW, [1.5], "events", 2, "steps", 0, "tokens"),
    with_value(ROW, [None, 1.0], "events", 3, "values"),
    with_value(ROW, [2**63, 1, 1], "events", 7, "visits"),
    with_value(ROW, [2**63, 1, 1], "events", 7, "values"),
    with_value(ROW, 2**63, "result", "seconds"),
    with_value(ROW, [1, 0], "events", 8, "correct"),
    with_value(ROW, "bored", "result", "reason"),
    with_value(ROW, {"policy": "6"}, "result", "cost"),
]


@pytest.mark.parametrize("row", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_search_is_refused_with_its_place(row: Any) -> None:
    with pytest.raises(StoreError, match=r"^trees/x\.jsonl:3: "):
        decode_search(orjson.dumps(row), "trees/x.jsonl:3")


def test_another_format_is_refused() -> None:
    with pytest.raises(StoreError, match="format 2, this version reads 1; use a newer restmcts"):
        decode_search(orjson.dumps(with_value(ROW, 2, "format")))
    with pytest.raises(StoreError, match="format 0, this version reads 1; no restmcts writes that"):
        decode_search(orjson.dumps(with_value(ROW, 0, "format")))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_search_or_refused(data: bytes) -> None:
    with pytest.raises(StoreError):
        decode_search(data)


def test_rows_come_back_as_they_were() -> None:
    load = parse_line
    assert sample_from(load(encode_sample(POLICY_SAMPLE)), "x") == POLICY_SAMPLE
    assert sample_from(load(encode_sample(VALUE_SAMPLE)), "x") == VALUE_SAMPLE
    assert sample_from(load(encode_sample(PREFERENCE_SAMPLE)), "x") == PREFERENCE_SAMPLE
    assert checkpoint_from(load(encode_checkpoint(CHECKPOINT, "1.train")), "x", "first") == (
        "1.train",
        CHECKPOINT,
    )
    assert metric_from(load(encode_metric(METRIC)), "x", "first") == METRIC
    assert evaluation_from(load(encode_evaluation(EVALUATION)), "x", "first") == EVALUATION
    labels = labels_from(load(encode_labels("1.search/0", (None, 0.5, 1))), "x")
    assert (labels.tree, labels.values) == ("1.search/0", (None, 0.5, 1))


def test_rows_with_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(StoreError, match="finite"):
        encode_metric(replace(METRIC, value=math.nan))
    with pytest.raises(StoreError, match="finite"):
        encode_metric(replace(METRIC, fields={"a": [math.inf]}))
    with pytest.raises(StoreError, match="finite"):
        encode_labels("1.search/0", (None, math.nan))
    with pytest.raises(StoreError, match="finite"):
        encode_evaluation(replace(EVALUATION, accuracy=math.nan))
    with pytest.raises(StoreError, match="finite"):
        encode_checkpoint(replace(CHECKPOINT, metrics={"loss": math.nan}), "1.train")


def test_a_value_sample_needs_a_label_a_step() -> None:
    with pytest.raises(StoreError, match="2 steps but 1 labels"):
        encode_sample(replace(VALUE_SAMPLE, labels=(0.5,)))


@pytest.mark.parametrize("read", [sample_from, labels_from])
def test_rows_that_make_no_sense_are_refused(read: Any) -> None:
    rows: list[Any] = [
        [],
        {},
        {"format": 1},
        {"format": 1, "for": "policy"},
        {"format": 1, "tree": 3, "values": []},
    ]
    for row in rows:
        with pytest.raises(StoreError, match=r"^here: "):
            read(row, "here")


def test_default_costs_are_left_out() -> None:
    search = replace(record(), events=(Valued((0,), (0.5,), Cost()),))
    assert orjson.loads(encode_search(search))["events"] == [
        {"kind": "valued", "nodes": [0], "values": [0.5]}
    ]
