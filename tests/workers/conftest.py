"""A Ray cluster of two nodes with one core each, all on this machine, and searches that need no torch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.base import Sampling
from restmcts.engines.settings import ModelSettings
from restmcts.grading.registry import GRADERS
from restmcts.plugins import load_plugin
from restmcts.problems.problem import Problem
from restmcts.registry import FILES
from restmcts.search.running.task import SearchTask
from restmcts.workers.base import Models, Workers
from restmcts.workers.cluster.settings import ClusterSettings
from store.encoding.searches import encode_search
from store.events import SearchRecord
from tests.search.search_engines import LIMITED

ENGINE = Path(__file__).with_name("scripted_engine.py")
MODELS = Models("writer", "judge")
SAMPLING = Sampling(step_tokens=8, trace_tokens=30)


@dataclass
class Place:
    """A cluster, and workers in it."""

    cluster: Any
    address: str
    notes: list[str] = field(default_factory=list)

    def settings(self, **values: Any) -> ClusterSettings:
        known = {"engine": "ray", "address": self.address, "workers": 2, "concurrency": 3, "grace": 30.0}
        return ClusterSettings.model_validate(known | values)

    def workers(self, models: ModelSettings, **values: Any) -> AbstractContextManager[Workers]:
        from restmcts.workers.cluster.ray_workers import open_ray_workers

        return open_ray_workers(
            MODELS,
            Path,
            models,
            GRADERS["exact"].open(),
            SAMPLING,
            drop_repeats=True,
            concurrency=2,
            grader_name="exact",
            cluster=self.settings(**values),
            note=self.notes.append,
        )


@pytest.fixture(scope="package")
def cluster() -> Iterator[Any]:
    """A head without cores and two nodes with one each."""
    pytest.importorskip("ray")
    root = str(Path(__file__).parents[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))))
        patch.setenv("OMP_NUM_THREADS", "1")
        from ray.cluster_utils import Cluster

        memory = 80 * 2**20
        made = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": memory, "include_dashboard": False},
        )
        try:
            for _ in range(2):
                made.add_node(num_cpus=1, object_store_memory=memory)
            yield made
        finally:
            from restmcts.workers.cluster.connection import disconnect

            disconnect()
            made.shutdown()


@pytest.fixture
def place(cluster: Any, models: Callable[..., ModelSettings]) -> Place:
    return Place(cluster, cluster.address)


@pytest.fixture
def models() -> Iterator[Callable[..., ModelSettings]]:
    """Settings of models with the scripted engine; its keys are given."""
    before = dict(FILES)
    load_plugin(ENGINE)

    def chosen(**values: Any) -> ModelSettings:
        return ModelSettings(policy="writer", value="judge", engine="scripted", settings={"scripted": values})

    yield chosen
    FILES.clear()
    FILES.update(before)


def tasks(count: int, *texts: str) -> list[SearchTask]:
    """Searches of so many problems, and of those with these texts."""
    wanted = [f"q{number}" for number in range(count)] + list(texts)
    return [
        SearchTask(Problem(f"p{number}", text, "1"), "mcts", LIMITED["mcts"], number, None, "search", number)
        for number, text in enumerate(wanted)
    ]


def searched(
    workers: Workers, wanted: Sequence[SearchTask], at: dict[int, Callable[[], None]] | None = None
) -> dict[str, SearchRecord]:
    """The records by their names; ``at``: what is done when so many have come."""

    async def collect() -> list[SearchRecord]:
        found: list[SearchRecord] = []
        async for ended in workers.search(wanted):
            found.append(ended.record)
            if at is not None and len(found) in at:
                at[len(found)]()
        return found

    records = asyncio.run(collect())
    assert sorted(record.header.id for record in records) == sorted(task.id for task in wanted)
    return {record.header.id: record for record in records}


def lines(records: dict[str, SearchRecord]) -> dict[str, bytes]:
    """The lines of searches without what may differ: the worker and the time."""
    return {
        name: encode_search(
            replace(
                record,
                header=replace(record.header, worker=None),
                result=replace(record.result, seconds=0.0),
            )
        )
        for name, record in records.items()
    }
