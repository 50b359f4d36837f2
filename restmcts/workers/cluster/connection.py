"""Ray, a cluster of it, and what the cluster has."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from restmcts.errors import InputError
from restmcts.workers.cluster.settings import ClusterSettings

INSTALL: Final = 'pip install "restmcts[ray]"'
CONNECT_SECONDS: Final = 5.0

_HOST = re.compile(r"(?:ray://)?(\[[0-9A-Fa-f:]+\]|[^\s/:\[\]]+):([0-9]{1,5})")

_connected: str | None = None
"""The address that this process is connected to."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a cluster: its address and what it has, by the names of Ray."""

    address: str
    resources: Mapping[str, float]

    def holds(self, needs: Mapping[str, float]) -> int:
        """How many workers with these needs find room, where nothing else runs; they need something."""
        counts = [int(self.resources.get(name, 0.0) / amount + 1e-9) for name, amount in needs.items()]
        return min(counts)


def connect(address: str) -> None:
    """Connect this process to a cluster, once; ``local``: start one on this machine that ends with it.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address; or this process works with
            another one.
    """
    global _connected
    if find_spec("ray") is None:
        raise InputError(f'cluster.engine = "ray" needs Ray: {INSTALL}')
    if _connected is not None:
        if _connected != address:
            raise InputError(f"cluster.address: this program works with the cluster {_connected!r} already")
        return
    _check_reachable(address)
    _set_variables(address)
    import ray

    # Otherwise Ray prints what happens to workers between what a command prints, whatever log_to_driver says.
    ray._private.worker._worker_logs_enabled = False
    own = {"include_dashboard": False} if address == "local" else {}
    with _own_signals():
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
        except (ConnectionError, OSError, RuntimeError, ValueError, ImportError) as error:
            raise InputError(
                f"cluster.address = {address!r}: cannot connect to this cluster: {_first_line(error)}"
            ) from error
    _connected = address


def disconnect() -> None:
    """Leave the cluster; one that was started here ends."""
    global _connected
    if _connected is not None:
        import ray

        ray.shutdown()
        _connected = None


def connected_nodes() -> dict[str, Node]:
    """The nodes of the cluster that answer, by the names that Ray has for them, ordered by address."""
    import ray

    alive = sorted((row for row in ray.nodes() if row["Alive"]), key=lambda row: row["NodeManagerAddress"])
    return {row["NodeID"]: Node(row["NodeManagerAddress"], _plain(row["Resources"])) for row in alive}


def available() -> dict[str, float]:
    """What nobody uses at this moment, on all nodes together."""
    import ray

    return _plain(ray.available_resources())


def needs(settings: ClusterSettings) -> dict[str, float]:
    """What a worker needs, by the names of Ray."""
    wanted = {"CPU": settings.cpus_per_worker, "GPU": settings.gpus_per_worker, **settings.resources}
    return {name: amount for name, amount in wanted.items() if amount > 0}


def check_room(settings: ClusterSettings) -> None:
    """See that the cluster is large enough for all workers, whatever runs there now.

    Raises:
        InputError: it is not; the message says what it has.
    """
    wanted, found = needs(settings), connected_nodes().values()
    room = settings.workers if not wanted else sum(node.holds(wanted) for node in found)
    if room < settings.workers:
        each = amounts(wanted)
        has = "; ".join(f"{node.address}: {amounts(node.resources)}" for node in found) or "no nodes"
        raise InputError(
            f"cluster.workers = {settings.workers}, each with {each}: there is room for {room} in the cluster"
            f" ({has}); ask for fewer workers or less for each, or add nodes"
        )


def amounts(resources: Mapping[str, float]) -> str:
    """Resources in words, those that restmcts does not ask for left out."""
    kept = {name: amount for name, amount in resources.items() if not name.startswith("accelerator_type:")}
    return ", ".join(f"{amount:g} {name}" for name, amount in kept.items()) or "nothing"


def _plain(resources: Mapping[str, Any]) -> dict[str, float]:
    """Without what Ray counts for itself: memory in bytes, and a resource for each address."""
    own = ("memory", "object_store_memory")
    return {
        name: float(amount)
        for name, amount in sorted(resources.items())
        if name not in own and not name.startswith("node:")
    }


def _set_variables(address: str) -> None:
    """Set what Ray reads when it is imported: nothing is reported to its makers.

    Where something else than Ray listens at an address, Ray asks once, and not for a quarter of an hour.

    A cluster that is started here listens on all addresses of the machine, and whoever reaches it may run
    code. So it heeds those alone that know a token, which this process makes and its children inherit.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address != "local":
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    if address == "local" and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _check_reachable(address: str) -> None:
    """See that somebody listens, since Ray waits for minutes before it says that nobody does.

    Raises:
        InputError: nobody does, or it is no address.
    """
    if address in ("local", "auto"):
        return
    found = _HOST.fullmatch(address)
    if found is None:
        raise InputError(
            f"cluster.address = {address!r}: write local, auto, HOST:PORT (of a node of the cluster) or"
            " ray://HOST:PORT"
        )
    host, port = found[1].strip("[]"), int(found[2])
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cluster.address = {address!r}: nobody answers there ({error}); `ray status` on a node of the"
            " cluster says whether it runs"
        ) from None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this program does at a signal; Ray puts its own handlers there."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            if handler is not None:
                signal.signal(number, handler)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
