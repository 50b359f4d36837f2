"""What a search phase has come to so far, and how busy its engines are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import fmean

from restmcts.loops.work.forecast import Probe
from restmcts.workers.base import Workers
from store.events import SearchRecord
from store.records import WorkerFigures
from store.runs.progress import MOST_WORKERS

LATEST_SECONDS = 0.1
"""How old figures may be that are told with every search: many workers are asked for them."""


def charge(record: SearchRecord) -> int:
    """What a search takes of the tokens of its phase: what it generated.

    One that failed counts with its whole budget, since it can be run again.
    """
    return (record.header.budget or 0) if record.result.reason == "failed" else record.result.cost.generated


def summary(found: Sequence[WorkerFigures]) -> dict[str, str]:
    """How many workers work, and how busy they are: the mean, the least and the most busy one."""
    if not found:
        return {}
    texts = {"workers": f"{sum(one.state == 'working' for one in found)} of {len(found)}"}
    if shares := [one.busy for one in found if one.busy is not None and one.state == "working"]:
        texts["busy"] = f"{fmean(shares):.0%}"
        if len(shares) > 1:
            texts["busy"] += f" ({min(shares):.0%} to {max(shares):.0%})"
    return texts


class Tally:
    """What has come out so far, and how busy the engines are, for the progress line and the metrics.

    Args:
        done: searches of the phase that are stored already.
        by_tokens: the end of the phase is a number of tokens, and not of searches.
    """

    def __init__(self, done: int, workers: Workers, *, by_tokens: bool) -> None:
        self.workers = workers
        self.by_tokens = by_tokens
        self.started = time.monotonic()
        self.before = self.workers.stats()
        self.done = done
        self.graded = 0
        self.correct = 0
        self.tokens = 0
        self.taken: dict[str, int] = {}
        self.charged = 0
        self.failed_in_a_row = 0
        self.probe = Probe()
        self._latest: tuple[float, dict[str, float | str | None]] | None = None

    @property
    def seconds(self) -> float:
        """How long the phase has run since its last start."""
        return time.monotonic() - self.started

    @property
    def generated(self) -> int:
        """The tokens since the last start, also those of searches that run, where the engine counts them."""
        name = "policy.generated_tokens"
        return int(max(self.tokens, self.workers.stats().get(name, 0) - self.before.get(name, 0)))

    @property
    def progress(self) -> int:
        """How far the phase has come, in searches or in tokens that they count with."""
        return self.charged if self.by_tokens else self.done

    def take(self, charges: Mapping[str, int]) -> None:
        """Count searches by what they take of the tokens of the phase."""
        self.taken.update(charges)
        self.charged += sum(charges.values())

    def add(self, record: SearchRecord) -> None:
        self.done += 1
        self.tokens += record.result.cost.generated
        self.probe.add(record)
        self.take({record.header.id: charge(record)})
        self.failed_in_a_row = self.failed_in_a_row + 1 if record.result.reason == "failed" else 0
        if record.result.correct is not None:
            self.graded += 1
            self.correct += record.result.correct

    def latest(self) -> dict[str, float | str | None]:
        """Figures that are ``LATEST_SECONDS`` old at most, for those who ask with every search."""
        now = time.monotonic()
        if self._latest is None or now - self._latest[0] > LATEST_SECONDS:
            self._latest = now, self.figures()
        return self._latest[1]

    def figures(self) -> dict[str, float | str | None]:
        use = self.engine_use()
        now = self.workers.stats()
        return {
            "searches": self.done if self.by_tokens else None,
            "accuracy": self.correct / self.graded if self.graded else None,
            "tokens": self.generated,
            "tokens a second": self.generated / max(1e-9, self.seconds),
            "cache hits": use.get("policy.cache_hit_rate"),
            "running": now.get("policy.running"),
            "waiting": now.get("policy.waiting"),
            **summary(self.workers.figures()),
        }

    def engine_use(self) -> dict[str, float]:
        """Of this phase since its last start: the share of prompt tokens that were cached, the share of the
        time in which the model ran, generated tokens a second, and the number of empty samples, if there are
        some."""
        seconds = max(1e-9, time.monotonic() - self.started)
        now = self.workers.stats()
        spent = {name: figure - self.before.get(name, 0.0) for name, figure in now.items()}
        seconds_of_all = seconds * max(1.0, now.get("workers", 1.0))
        use = {}
        for kind in ("policy", "value"):
            read, cached = spent.get(f"{kind}.prompt_tokens", 0.0), spent.get(f"{kind}.cached_tokens", 0.0)
            if read:
                use[f"{kind}.cache_hit_rate"] = cached / read
            if spent.get(f"{kind}.empty_samples"):
                use[f"{kind}.empty_samples"] = spent[f"{kind}.empty_samples"]
            if f"{kind}.seconds" in spent:
                use[f"{kind}.busy"] = min(1.0, spent[f"{kind}.seconds"] / seconds_of_all)
        if "policy.generated_tokens" in spent:
            use["policy.tokens_per_second"] = spent["policy.generated_tokens"] / seconds
        return use

    def use_of_workers(self) -> dict[str, float]:
        """The same of workers on other machines, by ``worker.NAME.``, as far as their engines count it.

        Of many, the first ones, as in the file of the progress.
        """
        return {
            f"worker.{one.name}.{name}": figure
            for one in self.workers.figures()[:MOST_WORKERS]
            for name, figure in (
                ("searches", one.searches),
                ("tokens_per_second", one.tokens_per_second),
                ("busy", one.busy),
                ("cache_hit_rate", one.cache_hits),
            )
            if figure is not None
        }
