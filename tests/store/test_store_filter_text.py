"""Filters as text: what words mean, how they are written and completed, and what cannot be understood."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InputError
from store.events import StopReason
from store.filter_text import KINDS, completed, parse, quoted, written
from store.index.reading.filters import FIGURES
from store.queries import Range, TreeFilter

values = st.text(max_size=12) | st.text(alphabet=' "\\:<>=a.1\n\x1c', max_size=8)
numbers = st.integers(-(10**6), 10**6).map(float) | st.floats(-1e290, 1e290, allow_nan=False)
limits = st.tuples(numbers | st.none(), numbers | st.none()).filter(lambda ends: ends != (None, None))
ranges = st.builds(lambda name, ends: Range(name, *ends), st.sampled_from(sorted(FIGURES)), limits)
filters = st.builds(
    TreeFilter,
    run=st.just("run"),
    phases=st.lists(values, max_size=2).map(tuple),
    methods=st.lists(values, max_size=2).map(tuple),
    iteration=st.none() | st.integers(0, 10**9 - 1),
    solved=st.sampled_from([None, True, False]),
    reason=st.none() | st.sampled_from(get_args(StopReason)),
    problem=st.none() | values,
    asked=st.none() | values,
    text=values,
    step_text=st.just("") | st.text(min_size=3, max_size=12),
    ranges=st.lists(ranges, max_size=3).map(tuple),
    kinds=st.lists(st.sampled_from(KINDS), max_size=3).map(tuple),
)


@given(filters)
def test_a_filter_is_read_as_it_was_written(wanted: TreeFilter) -> None:
    assert parse(written(wanted), "run") == wanted


@given(st.text(max_size=30) | st.text(alphabet=' "\\:<>=.', max_size=10))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        wanted = parse(text, "run")
    except InputError as error:
        assert str(error)
    else:
        assert parse(written(wanted), "run") == wanted


@given(values)
def test_a_value_in_quotes_is_one_value(value: str) -> None:
    assert parse(f"problem:{quoted(value)} solved:yes", "run") == TreeFilter(
        "run", problem=value, solved=True
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", TreeFilter("r")),
        ("carry the one", TreeFilter("r", text="carry the one")),
        ("text:carry the", TreeFilter("r", text="carry the")),
        ('"depth>6"', TreeFilter("r", text="depth>6")),
        ("phase:a phase:b method:mcts", TreeFilter("r", phases=("a", "b"), methods=("mcts",))),
        ("is:lost is:idle solved:no", TreeFilter("r", kinds=("lost", "idle"), solved=False)),
        ('step:"carry the', TreeFilter("r", step_text="carry the")),
        ("nodes>=3 nodes<=5", TreeFilter("r", ranges=(Range("nodes", 3), Range("nodes", None, 5)))),
        ("nodes:3..5", TreeFilter("r", ranges=(Range("nodes", 3, 5),))),
        ("depth=5", TreeFilter("r", ranges=(Range("depth", 5, 5),))),
        ("seconds:.5..1.5", TreeFilter("r", ranges=(Range("seconds", 0.5, 1.5),))),
    ],
)
def test_words(text: str, wanted: TreeFilter) -> None:
    assert parse(text, "r") == wanted


@pytest.mark.parametrize("text", ["depth>6", "tokens<200", "best_wrong>0.5", "nodes>=33"])
def test_limits_are_written_as_they_were_typed(text: str) -> None:
    assert written(parse(text, "r")) == text


def test_a_strict_limit_is_not_passed_by_its_number() -> None:
    (above,), (below,) = (parse(text, "r").ranges for text in ("depth>6", "depth<6"))
    assert above.low is not None and 6 < above.low < 7
    assert below.high is not None and 5 < below.high < 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metod:mcts", "did you mean 'method'"),
        ("depth>six", "'six' is no number"),
        ("depth>1e999", "is no number"),
        ("depth>nan", "is no number"),
        ("method>a", "only figures are compared"),
        ("is:bad", "never-found"),
        ("solved:maybe", "yes, no"),
        ("solved:yes solved:no", "given twice"),
        ("iteration:x", "a number"),
        ("step:ab", "3 characters"),
        ('text:"a"b', "a quote ends"),
    ],
)
def test_what_cannot_be_understood_is_said(text: str, said: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        parse(text, "r")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("me", "method:"),
        ("solved:no dep", "solved:no depth>"),
        ("is:pre", "is:preferred-wrong"),
        ("phase:2.e", "phase:2.evaluate"),
        ("phase:", "phase:1.search"),
        ("phase:2.evaluate", None),
        ("zebra", None),
        ("method:mcts ", None),
    ],
)
def test_words_are_completed(text: str, whole: str | None) -> None:
    assert completed(text, {"phase": ["1.search", "2.evaluate"]}) == whole
