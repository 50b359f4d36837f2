"""What the nodes of a cluster have, and whether searches can run on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from restmcts.workers.cluster.connection import connect, connected_nodes
from restmcts.workers.cluster.versions import differences, versions

ANSWER_SECONDS: Final = 60.0
"""How long a node may take to start a process and answer."""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A node: its address, what it has, and why no search can run there; empty where one can."""

    address: str
    resources: Mapping[str, float]
    problem: str


def inspect_cluster(address: str) -> list[NodeReport]:
    """Ask each node of the cluster at ``address`` for its versions.

    Raises:
        InputError: there is no such cluster.
    """
    connect(address)  # it sets what Ray reads when it is imported
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(versions_here)
    asked = {}
    for name, node in connected_nodes().items():
        place = NodeAffinitySchedulingStrategy(node_id=name, soft=False)
        asked[ask.options(num_cpus=0, scheduling_strategy=place, max_retries=0).remote()] = node
    ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    return [NodeReport(node.address, node.resources, _problem(reply)) for reply, node in asked.items()]


def versions_here() -> bytes:
    """The versions of this node as JSON."""
    return json.dumps(versions()).encode("ascii")


def _problem(reply: object) -> str:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        different = differences(versions(), json.loads(ray.get(reply, timeout=0)))
    except GetTimeoutError:
        return f"no process there has answered in {ANSWER_SECONDS:g} seconds"
    except (RayError, ImportError, RuntimeError):
        return "restmcts cannot be imported there: install it on all nodes"
    return ", ".join(different)
