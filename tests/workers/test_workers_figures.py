"""What is said about each worker, and about all of them."""

from __future__ import annotations

import pytest

from restmcts.loops.work.tally import Tally, summary
from restmcts.workers.cluster.figures import figures_of
from restmcts.workers.cluster.pool import Standing
from store.records import WorkerFigures

COUNTS = {
    "policy.generated_tokens": 1200.0,
    "policy.prompt_tokens": 4000.0,
    "policy.cached_tokens": 3000.0,
    "policy.seconds": 6.0,
    "value.seconds": 3.0,
}


def test_figures_come_from_what_the_engines_have_counted() -> None:
    found = figures_of("10.0.0.1", 3, Standing("working", 4, 25), COUNTS, 12.0)
    assert found == WorkerFigures("10.0.0.1/worker-3", "10.0.0.1", "working", 25, 4, 1200, 100.0, 0.75, 0.75)


def test_what_engines_do_not_count_is_not_zero() -> None:
    """A server says how much it was asked, and not how long its model ran."""
    found = figures_of("10.0.0.1", 1, Standing("lost", 0, 0), {"requests": 3.0}, 12.0)
    assert found == WorkerFigures("10.0.0.1/worker-1", "10.0.0.1", "lost")


def test_what_is_no_number_is_not_known() -> None:
    """An engine of somebody else may count anything."""
    counts = {"policy.generated_tokens": float("nan"), "policy.seconds": float("inf")}
    found = figures_of("n", 1, Standing("working", 0, 0), counts, 12.0)
    assert (found.tokens, found.busy, found.cache_hits) == (None, None, None)
    assert (
        figures_of("n", 1, Standing("working", 0, 0), {"policy.prompt_tokens": 8.0}, 1.0).cache_hits is None
    )


def test_a_model_that_ran_longer_than_it_was_there_is_busy() -> None:
    """Of two requests that overlap both times count."""
    assert figures_of("n", 1, Standing("working", 0, 0), {"policy.seconds": 30.0}, 12.0).busy == 1.0


def worker(busy: float | None, state: str = "working") -> WorkerFigures:
    return WorkerFigures("n/worker-1", "n", state, 5, 1, 10, 2.5, busy, None)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ([], {}),
        ([worker(0.5)], {"workers": "1 of 1", "busy": "50%"}),
        (
            [worker(0.25), worker(0.75), worker(None, "lost"), worker(0.01, "gone")],
            {"workers": "2 of 4", "busy": "50% (25% to 75%)"},
        ),
        ([worker(None)], {"workers": "1 of 1"}),
    ],
)
def test_many_workers_in_short(workers: list[WorkerFigures], said: dict[str, str]) -> None:
    assert summary(workers) == said


class TwoWorkers:
    """Workers that have nothing but figures."""

    def stats(self) -> dict[str, float]:
        return {"workers": 2.0}

    def figures(self) -> list[WorkerFigures]:
        return [worker(0.25), WorkerFigures("m/worker-2", "m", "lost")]


def test_the_use_of_workers_is_told_by_their_names() -> None:
    tally = Tally(0, TwoWorkers(), by_tokens=False)  # type: ignore[arg-type]
    assert tally.use_of_workers() == {
        "worker.n/worker-1.searches": 5,
        "worker.n/worker-1.tokens_per_second": 2.5,
        "worker.n/worker-1.busy": 0.25,
        "worker.m/worker-2.searches": 0,
    }
    assert tally.figures()["workers"] == "1 of 2" and tally.figures()["busy"] == "25%"
