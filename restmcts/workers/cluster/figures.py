"""What a worker of a cluster has done, from what its engines have counted."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from restmcts.workers.cluster.pool import Standing
from store.records import WorkerFigures


def figures_of(
    node: str, number: int, standing: Standing, counts: Mapping[str, float], seconds: float
) -> WorkerFigures:
    """The figures of worker ``number`` on ``node``.

    Args:
        counts: what its engines have counted; see :meth:`restmcts.workers.base.Workers.stats`.
        seconds: since the workers were opened.
    """
    counts = {name: figure for name, figure in counts.items() if isfinite(figure)}
    tokens, read = counts.get("policy.generated_tokens"), counts.get("policy.prompt_tokens")
    cached = counts.get("policy.cached_tokens")
    spent = [counts[name] for name in ("policy.seconds", "value.seconds") if name in counts]
    return WorkerFigures(
        name=f"{node}/worker-{number}",
        node=node,
        state=standing.state,
        searches=standing.done,
        running=standing.running,
        tokens=None if tokens is None else round(tokens),
        tokens_per_second=None if tokens is None else tokens / max(1e-9, seconds),
        busy=min(1.0, sum(spent) / max(1e-9, seconds)) if spent else None,
        cache_hits=cached / read if read and cached is not None else None,
    )
