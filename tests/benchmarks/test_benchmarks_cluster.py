"""The simulation of a cluster measures real phases, and times are those that were asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from statistics import fmean

import pytest

from benchmarks.in_flight import PassLoop
from benchmarks.search_overhead import ReadyValue
from benchmarks.simulation.engine import SimulatedPolicy, search_seconds
from benchmarks.simulation.head import head_alone, make_lines, parts
from benchmarks.simulation.phase import Load, make_tasks
from restmcts.engines.base import Sampling
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.search.running.driver import run_search
from restmcts.search.running.task import Engines
from store.encoding.searches import decode_search, encode_search


def test_searches_have_twenty_events_and_lines_that_the_head_would_write() -> None:
    tasks = make_tasks(12)
    lines = make_lines(tasks)
    records = [decode_search(line) for line in lines]
    assert [record.header.id for record in records] == [task.id for task in tasks]
    assert {len(record.events) for record in records} == {20}
    assert all(record.result.finished for record in records)
    assert [encode_search(record) for record in records] == lines


@pytest.mark.parametrize("number", range(5))
def test_a_search_takes_the_time_of_its_number(number: int) -> None:
    async def search() -> float:
        engines = Engines(SimulatedPolicy(2.0), ReadyValue(), RuleCritic(), Sampling())
        await run_search(make_tasks(number + 1)[number], engines)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=PassLoop) as runner:
        assert runner.run(search()) == pytest.approx(search_seconds(number, 2.0))


def test_times_have_their_mean_and_a_long_tail() -> None:
    times = sorted(search_seconds(number, 3.0) for number in range(20_000))
    assert fmean(times) == pytest.approx(3.0, rel=0.02)
    assert times[19_800] > 2.5 * times[10_000]


def test_a_schedule_is_as_long_as_the_searches_one_after_the_other_or_the_longest_of_all() -> None:
    one = Load(1, 1, 2.0, 50)
    assert one.scheduled == pytest.approx(one.ideal)
    many = replace(one, workers=50)
    assert many.scheduled == max(search_seconds(number, 2.0) for number in range(50))


def test_the_head_is_measured_in_a_phase_of_a_run() -> None:
    pytest.importorskip("ray")
    found = head_alone(Load(3, 2, 0.02, 60))
    assert 0.0 < found.efficiency <= found.of_schedule <= 1.0
    assert found.seconds >= found.load.scheduled
    assert found.written > 60 * 1000
    assert 0.0 < found.cpu < found.seconds
    assert found.to_row()["rate"] == pytest.approx(60 / found.seconds)


def test_every_part_of_the_head_takes_time() -> None:
    pytest.importorskip("ray")
    assert all(figure > 0 for figure in parts(200).values())
