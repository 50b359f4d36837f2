"""Searches on a Ray cluster of this machine: the same trees as in this process, whatever dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from benchmarks.simulation.on_ray import on_ray
from benchmarks.simulation.phase import Load
from restmcts.engines.settings import ModelSettings
from restmcts.errors import EngineError, InputError, PhaseError
from restmcts.grading.registry import GRADERS
from restmcts.problems.problem import Problem
from restmcts.workers.cluster import ray_workers
from restmcts.workers.cluster.inspection import inspect_cluster
from restmcts.workers.cluster.settings import ClusterSettings
from restmcts.workers.cluster.versions import versions
from restmcts.workers.local import open_workers
from store.events import SearchRecord
from tests.workers.conftest import MODELS, SAMPLING, Place, lines, searched, tasks

pytestmark = pytest.mark.xdist_group("ray")

ModelsOf = Callable[..., ModelSettings]


def in_process(models: ModelSettings, wanted: Any) -> dict[str, SearchRecord]:
    with (
        GRADERS["exact"].open() as grader,
        open_workers(MODELS, Path, models, grader, SAMPLING, drop_repeats=True, concurrency=4) as workers,
    ):
        return searched(workers, wanted)


def processes(workers: Any) -> list[int]:
    """The numbers of the processes of the workers."""
    import ray

    replies = ray.get([actor.handle.place.remote() for actor in workers._actors])
    return [json.loads(reply.partition(b"\n")[0])["process"] for reply in replies]


def killed_and_restarted(workers: Any) -> None:
    """Kill the process of the only worker, and return when Ray has started another one."""
    from ray.exceptions import ActorUnavailableError

    killed = processes(workers)
    os.kill(killed[0], signal.SIGKILL)
    while True:
        with suppress(ActorUnavailableError):
            if processes(workers) != killed:
                return
        time.sleep(0.05)


def are_gone(numbers: list[int]) -> bool:
    """Whether processes that were told to end have ended within 20 seconds."""
    until = time.monotonic() + 20
    while left := [number for number in numbers if Path(f"/proc/{number}/exe").exists()]:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return not left


@contextmanager
def extra_node(place: Place) -> Iterator[Callable[[], None]]:
    """A further node, and what removes it at once; it is gone after the block, whatever happens."""
    node = place.cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    (raylet,) = node.all_processes["raylet"]

    def remove() -> None:
        if node not in place.cluster.worker_nodes:
            return
        workers = psutil.Process(raylet.process.pid).children(recursive=True)
        assert workers
        place.cluster.remove_node(node, allow_graceful=False)
        # They would go on until they see that their node is gone, and a machine without power does not.
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()

    try:
        yield remove
    finally:
        remove()


@pytest.mark.parametrize("count", [1, 2])
def test_trees_are_those_of_one_process(place: Place, models: ModelsOf, count: int) -> None:
    wanted = tasks(30)
    with place.workers(models(), workers=count) as workers:
        assert workers.models == MODELS
        found = searched(workers, wanted)
        header = workers.header(wanted[0])
        figures, each = workers.stats(), workers.figures()
        assert workers.remarks() == ["the ink is blue"]
        assert workers.remarks() == []
        began = processes(workers)
    assert lines(found) == lines(in_process(models(), wanted))
    assert {record.header.worker for record in found.values()} == {
        f"{address}/worker-{number + 1}"
        for number in range(count)
        for address in [place.cluster.address.rpartition(":")[0]]
    }
    assert replace(found["search/0"].header, worker=None) == header
    assert figures["workers"] == count
    assert figures["policy.running"] == count
    total = sum(record.result.cost.policy for record in found.values())
    assert figures["policy.generated_tokens"] >= total > 0
    assert {one.name for one in each} == {record.header.worker for record in found.values()}
    assert sum(one.searches for one in each) == 30
    assert all(one.state == "working" and one.searches and not one.running for one in each)
    assert sum(one.tokens or 0 for one in each) == figures["policy.generated_tokens"]
    assert place.notes == []
    assert are_gone(began)


def test_a_failed_search_and_one_that_is_too_long(place: Place, models: ModelsOf) -> None:
    wanted = tasks(3, "failing")
    with place.workers(models(), workers=1) as workers:
        found = searched(workers, wanted)
        long = [Problem("short", "q"), Problem("long", "x" * 300)]
        assert workers.too_long(long) == {
            "long": "problem 'long' is 303 tokens long, but the policy 'writer' reads 200"
            " (bytes, where it is on a server)"
        }
        refused = workers.failed(wanted[0], "too long")
    local = in_process(models(), wanted)
    assert lines(found) == lines(local)
    assert found["search/3"].result.reason == "failed"
    assert (refused.result.reason, refused.header.worker) == ("failed", None)


def test_a_worker_that_is_killed_loses_no_search(place: Place, models: ModelsOf) -> None:
    wanted = tasks(40)
    with place.workers(models(seconds=0.005)) as workers:
        first = processes(workers)
        kill = {8: lambda: os.kill(first[0], signal.SIGKILL), 20: lambda: os.kill(first[1], signal.SIGKILL)}
        found = searched(workers, wanted, kill)
    assert lines(found) == lines(in_process(models(), wanted))
    assert sum("is lost" in note for note in place.notes) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_that_is_killed_while_it_opens_the_models_is_asked_again(
    place: Place, models: ModelsOf, tmp_path: Path, count: int
) -> None:
    settings = models(killed_once=str(tmp_path / "killed"))
    wanted = tasks(10)
    with place.workers(settings, workers=count) as workers:
        assert workers.too_long([Problem("short", "q")]) == {}
        found = searched(workers, wanted)
    assert lines(found) == lines(in_process(settings, wanted))
    assert sum("while it opens the models: it is asked again" in note for note in place.notes) == 1


def test_a_worker_that_was_killed_while_it_did_nothing_is_asked_again(place: Place, models: ModelsOf) -> None:
    wanted = tasks(12)
    with place.workers(models(), workers=1) as workers:
        found = searched(workers, wanted[:6])
        killed_and_restarted(workers)
        assert workers.too_long([Problem("long", "x" * 300)]).keys() == {"long"}
        killed_and_restarted(workers)
        found |= searched(workers, wanted[6:])
    assert lines(found) == lines(in_process(models(), wanted))
    assert sum("is lost" in note for note in place.notes) == 1


def test_a_node_that_goes_loses_no_search(place: Place, models: ModelsOf) -> None:
    wanted = tasks(40)
    with (
        extra_node(place) as remove,
        place.workers(models(seconds=0.005), workers=3) as workers,
    ):
        found = searched(workers, wanted, {10: remove})
        assert workers.stats()["workers"] == 2
    assert lines(found) == lines(in_process(models(), wanted))
    assert sum("is lost" in note for note in place.notes) == 1


def test_a_search_that_kills_its_workers_is_recorded_as_failed(place: Place, models: ModelsOf) -> None:
    wanted = tasks(12, "deadly")
    with place.workers(models(), restarts=4) as workers:
        found = searched(workers, wanted)
    dead = found.pop("search/12")
    assert dead.result.reason == "failed"
    assert "3 workers were lost while they ran this search" in str(dead.events[0])
    assert lines(found) == lines(in_process(models(), wanted[:12]))


def test_workers_that_do_not_come_back_end_the_phase(place: Place, models: ModelsOf) -> None:
    with place.workers(models(), workers=1, restarts=0) as workers:
        (process,) = processes(workers)
        with pytest.raises(PhaseError, match="no worker is left of 1: see to the cluster"):
            searched(workers, tasks(50), {2: lambda: os.kill(process, signal.SIGKILL)})


def test_a_round_that_was_left_is_dropped_by_the_workers(place: Place, models: ModelsOf) -> None:
    wanted = tasks(20)
    with place.workers(models(seconds=0.005)) as workers:

        async def first() -> None:
            records = workers.search(wanted)
            await anext(records)
            await records.aclose()

        asyncio.run(first())
        assert lines(searched(workers, wanted)) == lines(in_process(models(), wanted))


def test_a_cluster_that_is_too_small_is_said(place: Place, models: ModelsOf) -> None:
    said = r"cluster\.workers = 3, each with 1 CPU, 2 GPU: there is room for 0 in the cluster \(.*1 CPU.*\)"
    with pytest.raises(InputError, match=said), place.workers(models(), workers=3, gpus_per_worker=2):
        pass


def test_a_cluster_that_is_busy_is_said(place: Place, models: ModelsOf) -> None:
    with (
        place.workers(models(), workers=2),
        pytest.raises(InputError, match=r"some got no place in 1 seconds .* free at this moment: nothing"),
        place.workers(models(), workers=1, grace=1.0),
    ):
        pass


def test_a_cluster_that_lost_a_node_before_all_workers_were_there_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ray")

    class Handle:
        place = SimpleNamespace(remote=asyncio.Event().wait)

    def too_small(cluster: ClusterSettings) -> None:
        raise InputError(f"there is no room for {cluster.workers}")

    monkeypatch.setattr(ray_workers, "check_room", too_small)
    actors = [ray_workers.Actor(Handle(), 1, b"", [])]
    with pytest.raises(InputError, match="there is no room for 2"):
        asyncio.run(ray_workers._ready(actors, ClusterSettings(workers=2, grace=0.01), print))


def test_another_cluster_is_refused(place: Place, models: ModelsOf) -> None:
    with place.workers(models(), workers=1):
        pass
    with (
        pytest.raises(InputError, match=r"works with the cluster .* already"),
        place.workers(models(), address="auto"),
    ):
        pass


def test_other_versions_on_a_node_are_said(
    place: Place, models: ModelsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = versions() | {"torch": "1.0"}
    monkeypatch.setattr("restmcts.workers.cluster.plan.versions", lambda: known)
    said = r"^node [0-9.]+: has torch .* instead of 1\.0: equal searches need equal versions on all nodes$"
    with pytest.raises(InputError, match=said), place.workers(models()):
        pass


def test_a_model_that_cannot_be_opened_is_said(place: Place, models: ModelsOf) -> None:
    said = r"^node [0-9.]+: the writer is on strike$"
    with pytest.raises(EngineError, match=said), place.workers(models(refuses=True)):
        pass


def test_the_nodes_of_a_cluster_are_shown(place: Place) -> None:
    found = inspect_cluster(place.address)
    assert sorted(node.resources.get("CPU", 0.0) for node in found) == [0.0, 1.0, 1.0]
    assert {node.problem for node in found} == {""}


@pytest.mark.usefixtures("models")  # drops the plug-in that the simulation loads
def test_the_simulation_measures_real_workers(place: Place) -> None:
    found = on_ray(Load(2, 2, 0.02, 40), place.address)
    assert 0.0 < found.efficiency <= found.of_schedule <= 1.0
    assert found.cpu > 0.0
