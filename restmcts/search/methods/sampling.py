"""Methods that sample whole traces: greedy chain of thought, Self-Consistency and Best-of-N."""

from __future__ import annotations

from random import Random

from pydantic import Field

from restmcts.search.moves import Moves, Outcome, at_gate, critique, value_nodes
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Complete, Prefix, Trace
from restmcts.search.settings import GreedyFirst, Method, RuleName
from restmcts.search.stopping import traces_needed
from store.answering.rules import RULES
from store.events import Extended
from store.tree import Node

UNLIMITED = 1 << 30
"""As many traces as the budget pays for: the driver grants what fits."""

ROW_NAMES = {
    "first": "best-of-n, first",
    "best-value": "best-of-n, value",
    "best-last": "best-of-n, last",
    "best-minimum": "best-of-n, minimum",
    "best-product": "best-of-n, product",
    "best-likelihood": "best-of-n, likelihood",
    "majority": "self-consistency",
    "value-vote": "self-consistency, value vote",
    "calibrated-vote": "self-consistency, calibrated vote",
    "posterior-vote": "best-of-n, posterior",
}
"""Self-Consistency and Best-of-N sample the same trees: the answer rule alone says which of them a row is."""


class Greedy(Method):
    """One trace at temperature 0."""

    answer_by: RuleName = "first"

    def most_tokens(self, trace: int) -> int | None:
        return trace


class Traces(GreedyFirst):
    """Independent whole traces: Self-Consistency and Best-of-N."""

    samples: int = Field(default=0, ge=0, description="traces to sample; 0: until the token budget is spent")
    stop_confidence: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description=(
            "stop when the answer leads with a larger posterior probability (Adaptive-Consistency uses 0.95);"
            " none: never"
        ),
    )

    @property
    def endless(self) -> bool:
        return self.samples == 0

    def most_tokens(self, trace: int) -> int | None:
        return self.samples * trace or None


class SelfConsistency(Traces):
    """The answer that most traces give; ``answer_by: value-vote`` weights them by the value model."""

    answer_by: RuleName = "majority"


class BestOfN(Traces):
    """The trace that the value model ranks first, by its last, worst or multiplied step values."""

    answer_by: RuleName = "best-last"


def greedy(recorder: Recorder, settings: Greedy, random: Random) -> Moves:
    """One trace at temperature 0."""
    traces: list[Trace] = yield Complete(Prefix(0), 1, temperature=0.0)
    for trace in traces:
        yield from join(recorder, trace, settings)
    return Outcome("answered")


def sample_traces(recorder: Recorder, settings: Traces, random: Random) -> Moves:
    """Independent traces, valued where the answer rule needs it, until there are enough.

    Ends early at a finished trace that reaches the gate, if the rule reads values. Traces are then drawn
    one at a time, as those after it would be for nothing. With ``stop_confidence``, as many are drawn at a
    time as are needed at least before the answer can be sure enough.
    """
    tree, constants = recorder.tree, settings.answer_constants()
    left, temperature = settings.samples or UNLIMITED, 0.0 if settings.greedy_first else None
    while left > 0:
        wanted = 1 if temperature == 0 else left
        if settings.stop_confidence is not None:
            needed = traces_needed(tree, settings.answer_by, settings.stop_confidence, constants)
            wanted = min(wanted, needed)
        before = len(tree.traces.get(0, ()))
        ended: Outcome | None = yield from sample_below(recorder, settings, tree.root, wanted, temperature)
        if ended:
            return ended
        drawn = len(tree.traces.get(0, ())) - before
        if drawn < wanted or drawn == 0:
            break
        left, temperature = left - drawn, None
    return Outcome("samples")


def sample_below(
    recorder: Recorder, settings: Method, node: Node, wanted: int, temperature: float | None = None
) -> Moves:
    """Sample ``wanted`` whole traces from ``node``, fewer where the policy has no more.

    Args:
        temperature: None for that of the sampling settings.

    Returns:
        The outcome of a search that ends early; else None.
    """
    may_stop = settings.early_stop and RULES[settings.answer_by].reads != "nothing"
    while wanted > 0:
        traces: list[Trace] = yield Complete(
            Prefix(node.id), 1 if may_stop else wanted, temperature=temperature
        )
        if not traces:
            break
        wanted -= len(traces)
        for trace in traces:
            leaf: Node | None = yield from join(recorder, trace, settings, node.id)
            if may_stop and leaf is not None and at_gate(leaf, settings):
                return Outcome("gate", leaf.id)
    return None


def reads_values(settings: Method) -> bool:
    """Whether an answer rule reads values, so that traces have to be valued."""
    return values_read(settings) != {"nothing"}


def values_read(settings: Method) -> set[str]:
    """What the rules by which the traces will be answered read."""
    return {RULES[rule].reads for rule in (settings.answer_by, *settings.read_by)}


def join(recorder: Recorder, trace: Trace, settings: Method, node: int = 0) -> Moves:
    """Let a trace join the tree below ``node``; critique it, and value what the answer rules read.

    Everything about a trace stands in the events before the next one: the search can be cut between.

    Returns:
        The last node of the trace; None for a trace without steps.
    """
    nodes = recorder.emit(Extended(node, trace.steps, trace.cost))
    if not nodes:
        return None
    leaf = nodes[-1]
    yield from critique(recorder, leaf)
    yield from value_trace(recorder, nodes, settings)
    return leaf


def value_trace(recorder: Recorder, nodes: list[Node], settings: Method) -> Moves:
    """Value those of the nodes of a trace, first to last, that the answer rules read."""
    reads = values_read(settings)
    if "path" in reads:
        yield from value_nodes(recorder, nodes)
    elif "leaf" in reads:
        yield from value_nodes(recorder, nodes[-1:])


def exchangeable_traces(settings: Traces) -> int | None:
    """From which trace on the order means nothing; None where it decided how many there are."""
    return None if settings.stop_confidence is not None else int(settings.greedy_first)


GREEDY = SearchMethod(
    Greedy,
    greedy,
    "one trace at temperature 0",
    values=reads_values,
    evaluation={},
    one_trace=True,
)
SELF_CONSISTENCY = SearchMethod(
    SelfConsistency,
    sample_traces,
    "majority vote over sampled traces",
    answers=("majority", "value-vote", "calibrated-vote"),
    values=reads_values,
    exchangeable=exchangeable_traces,
    row_names=ROW_NAMES,
)
BEST_OF_N = SearchMethod(
    BestOfN,
    sample_traces,
    "the sampled trace with the best step values",
    answers=("best-last", "best-minimum", "best-product", "posterior-vote"),
    values=reads_values,
    exchangeable=exchangeable_traces,
    row_names=ROW_NAMES,
)
