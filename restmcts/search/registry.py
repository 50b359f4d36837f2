"""The search methods by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from restmcts.errors import InputError
from restmcts.search.methods.mcts import mcts
from restmcts.search.methods.mcts_improved import improved_mcts
from restmcts.search.methods.sampling import greedy, reads_values, sample_traces
from restmcts.search.methods.tree_of_thought import breadth_first, depth_first
from restmcts.search.settings import (
    BestOfN,
    Greedy,
    ImprovedMcts,
    Mcts,
    Method,
    SelfConsistency,
    TreeOfThought,
)
from restmcts.settings import checked


@dataclass(frozen=True, slots=True)
class SearchMethod:
    """A method: its settings, its generator, and what it does in a line."""

    settings: type[Method]
    run: Callable[..., Any]
    summary: str


METHODS: dict[str, SearchMethod] = {
    "greedy": SearchMethod(Greedy, greedy, "one trace at temperature 0"),
    "self-consistency": SearchMethod(SelfConsistency, sample_traces, "majority vote over sampled traces"),
    "best-of-n": SearchMethod(BestOfN, sample_traces, "the sampled trace with the best step values"),
    "tot-bfs": SearchMethod(TreeOfThought, breadth_first, "Tree-of-Thought, breadth first"),
    "tot-dfs": SearchMethod(TreeOfThought, depth_first, "Tree-of-Thought, depth first"),
    "mcts": SearchMethod(Mcts, mcts, "MCTS* as in the paper's code"),
    "mcts-improved": SearchMethod(ImprovedMcts, improved_mcts, "MCTS* that keeps every sampled step"),
}


def method_settings(method: str, values: Mapping[str, Any], where: str) -> Method:
    """The checked settings of ``method``.

    Raises:
        InputError: an unknown method, an unknown key (the nearest one is named) or a wrong value.
    """
    if method not in METHODS:
        raise InputError(f"{where}: unknown method {method!r}: choose from {', '.join(METHODS)}")
    return checked(METHODS[method].settings, values, where)


def needs_value(method: str, settings: Method) -> bool:
    """Whether a search by ``method`` asks for a value model."""
    samples_traces = METHODS[method].run in (greedy, sample_traces)
    return reads_values(settings) if samples_traces else True
