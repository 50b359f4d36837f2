"""Methods that sample whole traces: greedy chain of thought, Self-Consistency and Best-of-N."""

from __future__ import annotations

from random import Random

from restmcts.search.moves import Moves, Outcome, at_gate, critique, value_nodes
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Complete, Prefix, Trace
from restmcts.search.settings import Greedy, Method, Traces
from store.events import Extended
from store.tree import Node

UNLIMITED = 1 << 30
"""As many traces as the budget pays for: the driver grants what fits."""

WHOLE_PATH = {"best-minimum", "best-product"}
LEAF_ONLY = {"best-last", "best-value", "value-vote"}


def greedy(recorder: Recorder, settings: Greedy, random: Random) -> Moves:
    """One trace at temperature 0."""
    traces: list[Trace] = yield Complete(Prefix(0), 1, temperature=0.0)
    for trace in traces:
        yield from join(recorder, trace, settings)
    return Outcome("answered")


def sample_traces(recorder: Recorder, settings: Traces, random: Random) -> Moves:
    """Independent traces, valued where the answer rule needs it, until there are enough.

    Ends early at a finished trace that reaches the gate, if the rule reads values. Traces are then drawn
    one at a time, as those after it would be for nothing.
    """
    may_stop = settings.early_stop and settings.answer_by in LEAF_ONLY | WHOLE_PATH
    wanted = settings.samples or UNLIMITED
    while wanted > 0:
        traces: list[Trace] = yield Complete(Prefix(0), 1 if may_stop else wanted)
        if not traces:
            break
        wanted -= len(traces)
        for trace in traces:
            leaf: Node | None = yield from join(recorder, trace, settings)
            if may_stop and leaf is not None and at_gate(leaf, settings):
                return Outcome("gate", leaf.id)
    return Outcome("samples")


def reads_values(settings: Method) -> bool:
    """Whether an answer rule reads values, so that traces have to be valued."""
    return not answer_rules(settings).isdisjoint(LEAF_ONLY | WHOLE_PATH)


def answer_rules(settings: Method) -> set[str]:
    """All rules by which the traces will be answered."""
    return {settings.answer_by, *settings.read_by}


def join(recorder: Recorder, trace: Trace, settings: Method) -> Moves:
    """Let a trace join the tree; critique it, and value what the answer rules read.

    Everything about a trace stands in the events before the next one: the search can be cut between.

    Returns:
        The last node of the trace; None for a trace without steps.
    """
    nodes = recorder.emit(Extended(0, trace.steps, trace.cost))
    if not nodes:
        return None
    leaf = nodes[-1]
    yield from critique(recorder, leaf)
    rules = answer_rules(settings)
    if rules & WHOLE_PATH:
        yield from value_nodes(recorder, nodes)
    elif rules & LEAF_ONLY:
        yield from value_nodes(recorder, [leaf])
    return leaf
