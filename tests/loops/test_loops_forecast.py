"""What a run is still going to take, from its first searches and its finished phases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from restmcts.loops import rest_em
from restmcts.loops.registry import loop_settings
from restmcts.loops.run import Run
from restmcts.loops.work import forecast
from restmcts.loops.work.forecast import Expected, Forecast, Preview, Probe, Stand, rows_of
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import Greedy, SelfConsistency
from restmcts.search.running.task import SearchTask
from store.events import Cost, Header, Result, SearchRecord
from tests.loops.scripted import Scripts, opened, recipe


def ended(method: str, tokens: int, budget: int | None = None) -> SearchRecord:
    header = Header("s/0", "s", "p", "q", None, method, "first", 1, "policy", budget=budget)
    return SearchRecord(header, (), Result(None, None, "budget", Cost(policy=tokens), 1, 0))


def tasks(method: str, count: int, budget: int | None = None) -> list[SearchTask]:
    settings = Greedy() if method == "greedy" else SelfConsistency()
    return [SearchTask(Problem("p", "q"), method, settings, 1, budget, "s", place) for place in range(count)]


def probe(*records: SearchRecord) -> Probe:
    found = Probe()
    for record in records:
        found.add(record)
    return found


def test_what_is_left_follows_from_searches_of_the_same_method() -> None:
    seen = probe(*[ended("greedy", 10)] * 4, *[ended("self-consistency", 80, 100)] * 4)
    waiting = [*tasks("greedy", 5), *tasks("self-consistency", 10, 200)]
    rows = rows_of("s", waiting, seen, 0, 50.0, None)
    assert rows == [
        Expected("s, greedy", 5, 50, 1.0),
        Expected("s, self-consistency", 10, 1600, 32.0),
    ]
    half = rows_of("s", waiting, seen, 825, 50.0, None)
    assert [row.tokens for row in half] == [25, 800]
    assert sum(row.tokens or 0 for row in rows_of("s", waiting, seen, 0, 50.0, 330)) == 330


def test_a_method_that_was_not_seen_takes_its_budget_as_others_do() -> None:
    seen = probe(ended("greedy", 10), ended("self-consistency", 50, 100))
    assert rows_of("s", tasks("self-consistency", 2, 60), seen, 0, 1.0, None)[0].tokens == 60
    assert (
        rows_of("s", tasks("self-consistency", 2, 60), probe(ended("greedy", 10)), 0, 1.0, None)[0].tokens
        == 120
    )
    assert rows_of("s", [], seen, 0, 1.0, None) == []


def asking(answer: bool, heard: list[Forecast], **more: Any) -> Preview:
    async def ask(found: Forecast) -> bool:
        heard.append(found)
        return answer

    return Preview(ask, **more)


def stand(run: Run) -> Stand:
    return Stand(run.recipe, run.problems, run.writer.phases())


def considered(preview: Preview, run: Run, waiting: Sequence[SearchTask], seconds: float) -> None:
    seen = probe(*[ended("greedy", 10)] * 4)
    asyncio.run(preview.consider(stand(run), "s", waiting, seen, 40, seconds, None))


def test_only_long_work_is_asked_for_and_only_once(tmp_path: Path) -> None:
    heard: list[Forecast] = []
    preview = asking(False, heard)
    with opened(tmp_path, recipe()) as run:
        assert not preview.due(probe(), 100) and not preview.due(probe(*[ended("greedy", 10)] * 4), 5)
        considered(preview, run, tasks("greedy", 60), 40.0)
        assert heard == [] and preview.made and not preview.due(probe(*[ended("greedy", 10)] * 4), 100)
        with pytest.raises(KeyboardInterrupt):
            considered(preview, run, tasks("greedy", 61), 40.0)
    assert [found.seconds for found in heard] == [610.0]


def test_a_loop_counts_the_phases_that_are_planned(
    tmp_path: Path, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(forecast, "PROBE_SECONDS", 0.0)
    generation = {"method": "self-consistency", "settings": {"samples": 4}}
    wanted = recipe(loop="rest-em", generation=generation, concurrency=1)
    heard: list[Forecast] = []
    with opened(tmp_path, wanted) as run:
        going = replace(run, preview=asking(True, heard, whole_loop=True))
        rest_em.REST_EM.run(going, loop_settings(wanted))
    (found,) = heard
    names = [row.name for row in found.rows]
    assert found.searches == forecast.PROBE_SEARCHES
    assert {"1.search", "2.search", "1.train-policy", "2.train-policy"} <= {
        *names,
        names[0].partition(",")[0],
    }
    assert all(row.seconds is None for row in found.rows if "train" in row.name)
    assert found.seconds == sum(row.seconds or 0 for row in found.rows) > 0


def test_a_finished_phase_tells_of_the_next_of_its_kind(tmp_path: Path) -> None:
    wanted = recipe(loop="rest-em", generation={"method": "self-consistency", "settings": {"samples": 4}})
    with opened(tmp_path, wanted) as run:
        for name, tokens in (("1.search", 500), ("1.train-policy", None)):
            run.writer.start_phase(name, "search" if tokens else "train", 1)
            run.writer.finish_phase(name, {"policy_tokens": tokens}, seconds=70.0, source="run")
        rows = {row.name: row for row in forecast.later_rows(stand(run), "1.validate", 100, 10.0)}
    assert rows["2.search"].tokens == 500 and rows["2.search"].seconds == 70.0
    assert rows["2.train-policy"].seconds == 70.0
    assert "1.search" not in rows and "1.validate" not in rows
