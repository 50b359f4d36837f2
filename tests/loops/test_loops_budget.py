"""One token budget for the searches of an iteration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.loops import phases
from restmcts.loops.checks import check_loop
from restmcts.loops.results import Searched
from restmcts.loops.run import Run
from restmcts.loops.work.waves import waves
from restmcts.recipe import Recipe
from restmcts.workers.base import Models
from store.events import SearchRecord
from tests.loops.scripted import (
    BASE,
    TRACE,
    Heard,
    InterruptedRunError,
    Scripts,
    gate,
    opened,
    recipe,
    splits,
)

MOST = 50


@given(costs=st.lists(st.integers(0, MOST), max_size=40), tokens=st.integers(1, 400))
def test_waves_spend_what_one_after_the_other_would_and_never_more(costs: list[int], tokens: int) -> None:
    done: list[int] = []
    for wave in waves(range(len(costs)), MOST, tokens, costs.__getitem__):
        # Whatever the pieces take, the budget pays for the wave.
        assert sum(costs[piece] for piece in done) + MOST * len(wave) <= tokens
        done += wave
    alone, left = 0, tokens
    while alone < len(costs) and left >= MOST:
        left -= costs[alone]
        alone += 1
    assert done == list(range(alone))
    assert sum(costs[piece] for piece in done) <= tokens


def test_without_a_budget_all_is_one_wave() -> None:
    assert [list(wave) for wave in waves([1, 2, 3], 9, None, int)] == [[1, 2, 3]]


SAMPLED = {"method": "self-consistency", "settings": {"samples": 3, "early_stop": False}}


def budgeted(tokens: int, **more: object) -> Recipe:
    return recipe(generation={**SAMPLED, "tokens": tokens}, **more)


def search(run: Run, iteration: int = 1) -> Searched:
    return phases.search(run, iteration, Models(BASE))


def trees(run: Run, phase: str = "1.search") -> list[SearchRecord]:
    """The searches of a phase, without their times."""
    return [
        replace(record, result=replace(record.result, seconds=0.0)) for record in run.writer.read_trees(phase)
    ]


def spent(records: list[SearchRecord]) -> int:
    return sum(record.result.cost.generated for record in records)


def test_an_iteration_keeps_to_its_tokens_and_uses_them_up(scripts: Scripts, tmp_path: Path) -> None:
    with opened(tmp_path, budgeted(400)) as run:
        found = search(run)
        records = trees(run)
    assert found.policy_tokens == spent(records) == scripts.generated <= 400
    assert 400 - spent(records) < 3 * TRACE
    assert 0 < len(records) < 12
    assert all(record.header.budget == 3 * TRACE for record in records)
    assert [record.header.id for record in records] == [f"1.search/{place}" for place in range(len(records))]


def test_progress_counts_tokens_also_after_an_interruption(scripts: Scripts, tmp_path: Path) -> None:
    scripts.policy = {"breaks_at": 4}
    with opened(tmp_path, budgeted(500, concurrency=2)) as run, pytest.raises(InterruptedRunError):
        search(run)
    scripts.policy = {}
    with opened(tmp_path, budgeted(500, concurrency=2)) as run:
        before = spent(trees(run))
        found, progress = search(run), run.progress
        assert isinstance(progress, Heard)
        assert progress.total == 500
        assert 0 < before < progress.done[0]
        assert progress.done == sorted(progress.done)
        assert progress.done[-1] == found.policy_tokens


def test_problems_come_in_another_order_each_iteration(scripts: Scripts, tmp_path: Path) -> None:
    with opened(tmp_path, budgeted(400)) as run:
        search(run, 1), search(run, 2)
        first, second = ([tree.header.problem for tree in trees(run, f"{n}.search")] for n in (1, 2))
    assert first != second


def test_too_few_problems_are_told(scripts: Scripts, tmp_path: Path) -> None:
    with opened(tmp_path, budgeted(5000)) as run:
        assert search(run).trees == 12
        assert isinstance(run.progress, Heard)
        assert "1.search: all 12 problems are searched, and tokens may be left" in run.progress.notes


@pytest.mark.parametrize(("concurrency", "order"), [(1, None), (16, 1), (16, 2), (3, 3)])
def test_the_same_trees_whatever_runs_at_the_same_time(
    scripts: Scripts, tmp_path: Path, concurrency: int, order: int | None
) -> None:
    with opened(tmp_path / "a", budgeted(500, concurrency=5)) as run:
        search(run)
        expected = trees(run)
    scripts.policy = {} if order is None else {"gate": gate(order)}
    with opened(tmp_path / "b", budgeted(500, concurrency=concurrency)) as run:
        search(run)
        assert trees(run) == expected


@pytest.mark.parametrize("breaks_at", [1, 2, 4, 6])
def test_the_same_trees_after_an_interruption(scripts: Scripts, tmp_path: Path, breaks_at: int) -> None:
    with opened(tmp_path / "a", budgeted(500, concurrency=2)) as run:
        search(run)
        expected = trees(run)
    scripts.policy = {"breaks_at": breaks_at}
    with pytest.raises(InterruptedRunError), opened(tmp_path / "b", budgeted(500, concurrency=2)) as run:
        search(run)
    scripts.policy = {}
    with opened(tmp_path / "b", budgeted(500, concurrency=16)) as run:
        assert len(trees(run)) < len(expected)
        search(run)
        assert trees(run) == expected


def test_failed_searches_are_run_again_within_the_tokens(scripts: Scripts, tmp_path: Path) -> None:
    """A search that failed counts with its whole budget, so that it can be run again."""
    with opened(tmp_path / "a", budgeted(500, concurrency=2)) as run:
        search(run)
        expected = trees(run)
    scripts.policy = {"fail_at": 4}
    with opened(tmp_path / "b", budgeted(500, concurrency=1)) as run:
        failed = search(run).failed
        assert failed > 0
        assert failed * 3 * TRACE <= 500
    scripts.policy = {}
    with opened(tmp_path / "b", budgeted(500, concurrency=2), retry_failed=True) as run:
        assert search(run).failed == 0
        assert trees(run) == expected


def test_problems_that_are_too_long_take_nothing(scripts: Scripts, tmp_path: Path) -> None:
    problems = splits()
    long = replace(problems.train[0], text="x" * 20_000)
    problems = replace(problems, train=[long, *problems.train[1:]])
    with opened(tmp_path, budgeted(300), problems) as run:
        found = search(run)
        assert found.failed == 1
        assert 0 <= 300 - found.policy_tokens < 3 * TRACE


def test_guided_searches_need_a_budget_each(scripts: Scripts, tmp_path: Path) -> None:
    endless = recipe(generation={"method": "mcts-improved", "settings": {"rounds": 3}, "tokens": 100})
    with (
        opened(tmp_path / "a", endless) as run,
        pytest.raises(InputError, match=r"generation\.tokens: a search by 'mcts-improved' may take any"),
    ):
        phases.search(run, 1, Models(BASE, "value"))
    with pytest.raises(InputError, match=r"give it a generation\.budget"):
        check_loop(endless)
    known = recipe(generation={"method": "mcts-improved", "budget": 60, "tokens": 200})
    with opened(tmp_path / "b", known) as run:
        found = phases.search(run, 1, Models(BASE, "value"))
    assert found.policy_tokens <= 200 and found.trees >= 3
    small = recipe(generation={"method": "mcts-improved", "budget": 60, "tokens": 50})
    with opened(tmp_path / "c", small) as run, pytest.raises(InputError, match="pay for a single search"):
        phases.search(run, 1, Models(BASE, "value"))
