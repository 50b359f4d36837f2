"""Tasks on their way to workers: what arrives is what was sent."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.search.registry import METHODS
from restmcts.search.running.task import SearchTask
from restmcts.search.running.task_json import decode_task, encode_task
from restmcts.search.settings import AnswerConstantsSettings, Limits
from tests.search.search_engines import LIMITED, engines, run_many, task
from tests.store.strategies import JSON, OPTIONAL_TEXTS, TEXTS, searches

PROBLEMS = st.builds(
    Problem,
    id=TEXTS,
    text=TEXTS,
    answer=OPTIONAL_TEXTS,
    solution=OPTIONAL_TEXTS,
    tolerance=st.none() | st.floats(0, 1),
    fields=st.dictionaries(TEXTS, JSON, max_size=3),
    examples=st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple),
)
LIMITS = st.builds(
    Limits,
    value=st.none() | st.integers(1, 2**70),
    flops=st.none() | st.floats(1, 1e300),
    seconds=st.none() | st.floats(0.001, 1e6),
)
CONSTANTS = st.none() | st.builds(
    AnswerConstantsSettings,
    policy=st.none() | st.floats(0, 9),
    vote=st.none() | st.just(((0.0, 0.1), (0.5, 2.0))),
    confidence=st.none() | st.just({"majority": ((0.0, 0.25),)}),
)


@st.composite
def tasks(draw: st.DrawFn) -> SearchTask:
    """Any task: of any method, with settings that were changed, or of a stored search."""
    method = draw(st.sampled_from(list(METHODS)))
    changed: dict[str, Any] = {"end_gate": draw(st.floats(0, 1)), "constants": draw(CONSTANTS)}
    return SearchTask(
        problem=draw(PROBLEMS),
        method=method,
        settings=LIMITED[method].model_copy(update=changed),
        seed=draw(st.integers(0, 2**64 - 1)),
        budget=draw(st.none() | st.integers(1, 2**40)),
        phase=draw(TEXTS),
        number=draw(st.integers(0, 2**40)),
        temperature=draw(st.none() | st.floats(0.01, 9)),
        stored=draw(st.none() | searches().map(lambda record: record.events)),
        limits=draw(LIMITS),
    )


@given(tasks())
@settings(max_examples=200, deadline=None)
def test_a_task_arrives_as_it_was_sent(sent: SearchTask) -> None:
    arrived = decode_task(encode_task(sent))
    assert arrived == sent
    assert type(arrived.settings) is type(sent.settings)
    assert arrived.problem.examples == sent.problem.examples


def test_odd_text_and_tuples_arrive() -> None:
    problem = Problem(
        "odd", "half \ud83d of a pair", "\udfff", fields={"tuples": ((1, 2), {3: [4.5]}), "big": 2**200}
    )
    sent = SearchTask(problem, "greedy", LIMITED["greedy"], seed=1)
    assert decode_task(encode_task(sent)) == sent


@pytest.mark.parametrize("method", list(METHODS))
def test_a_task_that_was_sent_is_searched_just_so(method: str) -> None:
    sent = [task(method, LIMITED[method], number=number, oracle="1") for number in range(3)]
    arrived = [decode_task(encode_task(each)) for each in sent]
    assert run_many(arrived, engines(), 2) == run_many(sent, engines(), 2)


@pytest.mark.parametrize("value", [date(2024, 6, 5), float("inf"), float("nan")])
def test_what_is_no_literal_is_said(value: object) -> None:
    problem = Problem("dated", "q", fields={"when": value})
    with pytest.raises(InputError, match="problem 'dated' cannot be sent to a worker"):
        encode_task(SearchTask(problem, "greedy", LIMITED["greedy"], seed=1))


def test_a_method_that_is_not_known_there_is_said() -> None:
    data = encode_task(task("greedy", LIMITED["greedy"], number=4)).replace(b'"greedy"', b'"greedier"')
    with pytest.raises(InputError, match=r"1\.search/4: unknown search method 'greedier'"):
        decode_task(data)
