"""What a worker replies: one line of JSON, and after it the line of a search, where there is one."""

from __future__ import annotations

import json
from typing import Any

from restmcts.errors import EngineError, InputError, PhaseError, RestmctsError, StoreError


class NotReadyError(RestmctsError):
    """A worker was asked before it had opened its models: it was lost, and Ray has started it again."""


_KINDS: dict[str, type[RestmctsError]] = {
    kind.__name__: kind
    for kind in (RestmctsError, EngineError, InputError, PhaseError, StoreError, NotReadyError)
}


def reply(values: dict[str, Any], line: bytes = b"") -> bytes:
    """A reply with these JSON values, and the line of a search."""
    return b"\n".join((json.dumps(values).encode("ascii"), line))


def refusal(error: RestmctsError) -> bytes:
    """A reply that raises an error where it is read."""
    known = next(name for name, kind in reversed(_KINDS.items()) if isinstance(error, kind))
    return reply({"error": known, "message": str(error)})


def read_reply(data: bytes, node: str) -> tuple[dict[str, Any], bytes]:
    """The values of a reply and the line of a search; empty without one.

    Args:
        node: the node that it comes from; errors name it.

    Raises:
        RestmctsError: the worker refused.
    """
    head, _, line = data.partition(b"\n")
    values: dict[str, Any] = json.loads(head)
    if "error" in values:
        raise _KINDS[values["error"]](f"node {node}: {values['message']}")
    return values, line
