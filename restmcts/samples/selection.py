"""Which correct traces a policy learns from: a chain of small filters, each of which only removes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from pydantic import Field

from restmcts.samples.policy import Found, Traces, text_of
from restmcts.settings import Settings
from store.records import PolicySample

Order = Literal["value", "shortest", "longest", "samples"]


class SelectionSettings(Settings):
    """Which correct traces the policy learns from."""

    by: Literal["rank", "threshold", "both"] = Field(
        default="rank",
        description=(
            "`rank` takes the first traces of each problem in their `order`, `threshold` all whose value is"
            " at least the threshold, `both` the first of those"
        ),
    )
    top: int = Field(default=2, ge=1, description="with `rank` and `both`: traces of each problem")
    threshold: float = Field(
        default=0.2, ge=0, le=1, description="with `threshold` and `both`: the smallest value"
    )
    order: Order = Field(
        default="value",
        description=(
            "which traces of a problem come first: those with the largest value, the shortest, the longest,"
            " or those that most samples gave"
        ),
    )
    distinct: Literal["text", "words"] = Field(
        default="text",
        description=(
            "which traces of a problem are one: those with the same `text`, or also those that differ in"
            " white space alone (`words`)"
        ),
    )
    drop_solved: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description=(
            "leave out problems of whose verified samples at least this share is right; 1: those that are"
            " always right. Problems without a right trace are left out in any case"
        ),
    )
    balance: bool = Field(
        default=False,
        description=(
            "keep fewer traces of easier problems: of the n traces of a problem that the other keys keep, the"
            " first n · (1 - share of its samples that are right), rounded up"
        ),
    )
    memory: Literal["latest", "all"] | None = Field(
        default=None,
        description=(
            "the trees that the traces are from: those of this iteration (`latest`), or also those of all"
            " iterations before and, where they count as data, of the bootstrap (`all`); none:"
            " `labels.memory` in loops that label steps, else `latest`"
        ),
    )
    demonstrations: float = Field(
        default=0.0,
        ge=0,
        description="worked solutions mixed in, as a share of the traces (0.5: one for two traces)",
    )


Filter = Callable[[str, Sequence[PolicySample]], Sequence[PolicySample]]
"""Gets the name of a problem and its traces in order; returns those that it keeps, in order."""


def filters(selection: SelectionSettings, found: Found) -> list[tuple[str, Filter]]:
    """The chain of filters that a recipe asks for; each is named after its key."""
    chain: list[tuple[str, Filter]] = []
    if selection.drop_solved is not None:
        chain.append(("drop_solved", unless_solved(selection.drop_solved, found)))
    if selection.by != "rank":
        chain.append(("threshold", at_least(selection.threshold)))
    chain.append(("order", in_order(selection.order, found)))
    if selection.distinct == "words":
        chain.append(("distinct", with_different_words))
    if selection.by != "threshold":
        chain.append(("top", first_of_each(selection.top)))
    if selection.balance:
        chain.append(("balance", by_difficulty(found)))
    return chain


@dataclass(frozen=True, slots=True)
class Chosen:
    """The traces that are kept, problem by problem, and how many each filter removed."""

    traces: list[PolicySample]
    removed: dict[str, int]


def choose(found: Traces, filters: Sequence[tuple[str, Filter]]) -> Chosen:
    """What a chain of named filters leaves of the traces of each problem."""
    removed: Counter[str] = Counter()
    chosen: list[PolicySample] = []
    for problem, traces in found.items():
        kept = traces
        for name, keep in filters:
            before, kept = len(kept), keep(problem, kept)
            removed[name] += before - len(kept)
        chosen += kept
    return Chosen(chosen, dict(removed))


def in_order(order: Order, found: Found) -> Filter:
    """Removes nothing; the traces come in another order. Equal ones keep theirs, the largest value first."""
    keys: dict[Order, Callable[[PolicySample], int]] = {
        "value": lambda trace: 0,
        "shortest": lambda trace: len(text_of(trace)),
        "longest": lambda trace: -len(text_of(trace)),
        "samples": lambda trace: -found.samples[trace.problem, text_of(trace)],
    }
    return lambda problem, traces: sorted(traces, key=keys[order])


def with_different_words(problem: str, traces: Sequence[PolicySample]) -> Sequence[PolicySample]:
    """Keeps the first of the traces that differ in white space alone."""
    first: dict[str, PolicySample] = {}
    for trace in traces:
        first.setdefault(" ".join(text_of(trace).split()), trace)
    return list(first.values())


def unless_solved(share: float, found: Found) -> Filter:
    """Removes all traces of a problem that are right in at least this share of its verified samples."""
    return lambda problem, traces: [] if found.right_share(problem) >= share else traces


def at_least(threshold: float) -> Filter:
    """Keeps the traces whose value is at least ``threshold``."""
    return lambda problem, traces: [trace for trace in traces if (trace.value or 0.0) >= threshold]


def first_of_each(top: int) -> Filter:
    """Keeps the ``top`` first traces of each problem."""
    return lambda problem, traces: traces[:top]


def by_difficulty(found: Found) -> Filter:
    """Keeps fewer traces of easier problems: of n traces the first ⌈n · (1 - share of right samples)⌉.

    At least one is kept. The weights are in the spirit of AdaSTaR (arXiv 2505.16322), which trains more on
    what the policy still gets wrong.
    """
    return lambda problem, traces: traces[: max(1, ceil(len(traces) * (1 - found.right_share(problem))))]
