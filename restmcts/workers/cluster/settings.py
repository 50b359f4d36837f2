"""Where searches run; importing it imports no Ray."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from restmcts.settings import Settings

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ClusterSettings(Settings):
    """Where the searches of a run are made: in this process, or by workers of a Ray cluster.

    The keys decide how fast a run is, not what comes out. So they are not stored with it, and a run goes on
    with any others, see [Scale](scale.md). Ray needs `pip install "restmcts[ray]"`.
    """

    engine: Literal["none", "ray"] = Field(
        default="none",
        description="`none`: searches run in this process; `ray`: in workers of a Ray cluster",
    )
    address: str = Field(
        default="local",
        min_length=1,
        description=(
            "the cluster: `local` starts Ray on this machine for the time of the command, `auto` takes the"
            " one that this machine belongs to; or an address, such as `10.0.0.1:6379` or"
            " `ray://10.0.0.1:10001`"
        ),
    )
    workers: int = Field(default=1, ge=1, description="number of workers, each with engines of its own")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        description="searches at the same time in each worker; none: the `concurrency` of the recipe",
    )
    cpus_per_worker: Amount = Field(default=1.0, description="CPU cores that Ray sets aside for a worker")
    gpus_per_worker: Amount = Field(
        default=0.0,
        description="GPUs that Ray gives to a worker, of which it sees no others; a share of one is possible",
    )
    resources: dict[str, Amount] = Field(
        default_factory=dict,
        description="further resources that a worker needs, by the names that the nodes give them",
    )
    weights: Literal["folder", "object-store"] = Field(
        default="folder",
        description=(
            "how model folders reach the workers: `folder`, by the same path on all nodes (a shared disk), or"
            " `object-store`, by Ray, into temporary folders"
        ),
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="environment variables of the workers"
    )
    working_directory: str | None = Field(
        default=None,
        description="folder that Ray copies to the nodes, and in which the workers run; none: no folder",
    )
    restarts: int = Field(
        default=8,
        ge=0,
        description="how often each worker is started again after it was lost",
    )
    grace: float = Field(
        default=120.0,
        gt=0,
        allow_inf_nan=False,
        description=(
            "how long workers may take to get a place in the cluster, and how long none of them may answer"
            " before the phase ends as failed, in seconds"
        ),
    )
