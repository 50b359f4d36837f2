"""Real workers on Ray, with an engine that takes simulated time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from benchmarks.simulation import engine
from benchmarks.simulation.phase import Load, Measured, measure
from restmcts.engines.base import Sampling
from restmcts.engines.settings import ModelSettings
from restmcts.grading.registry import GRADERS
from restmcts.plugins import load_plugin
from restmcts.workers.base import Models
from restmcts.workers.cluster.settings import ClusterSettings

SHARE: Final = 0.01
"""The share of a core that Ray sets aside for a worker, so that many find room."""


def on_ray(load: Load, address: str = "local") -> Measured:
    """Measure the head with real workers, which are started and opened before."""
    from restmcts.workers.cluster.ray_workers import open_ray_workers

    load_plugin(Path(engine.__file__))
    cluster = ClusterSettings(
        engine="ray",
        address=address,
        workers=load.workers,
        cpus_per_worker=SHARE,
        environment={"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )
    settings = {"simulated": {"seconds": load.seconds}}
    models = ModelSettings(policy="simulated", value="ready", engine="simulated", settings=settings)
    with (
        tempfile.TemporaryDirectory() as folder,
        GRADERS["exact"].open() as grader,
        open_ray_workers(
            Models("simulated", "ready"),
            Path,
            models,
            grader,
            Sampling(),
            drop_repeats=True,
            concurrency=load.concurrency,
            grader_name="exact",
            cluster=cluster,
            note=print,
        ) as workers,
    ):
        return measure(Path(folder), load, workers)
