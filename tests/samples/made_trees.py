"""Verified trees of one-letter steps, written down as traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from store.events import (
    Cost,
    Critiqued,
    Event,
    Extended,
    Header,
    Result,
    SearchRecord,
    Step,
    Valued,
    Verified,
)
from store.records import PolicySample, PreferenceSample
from store.tree import Tree, fold


def search(
    traces: Sequence[tuple[str, bool | None]],
    *,
    problem: str = "p",
    phase: str = "1.search",
    values: Mapping[str, float] | None = None,
    unfinished: Sequence[str] = (),
) -> SearchRecord:
    """A search of sampled traces, one step a letter, with a verdict each; None: without a verdict.

    ``values``: what the value model said about partial solutions; ``unfinished``: traces that were cut off.
    """
    texts = [*(text for text, _ in traces), *unfinished]
    events: list[Event] = [
        Extended(0, tuple(Step(letter, (ord(letter),), -0.5) for letter in text)) for text in texts
    ]
    tree = fold(events)
    verdicts = dict(traces)
    nodes = {tree.text(node.id): node.id for node in tree.nodes}
    leaves = [nodes[text] for text in verdicts]
    events += [Critiqued(leaf, True, tree.text(leaf)[-1]) for leaf in leaves]
    if values:
        events.append(Valued(tuple(nodes[text] for text in values), tuple(values.values())))
    known = {nodes[text]: right for text, right in verdicts.items() if right is not None}
    unknown = tuple(nodes[text] for text, right in verdicts.items() if right is None)
    events.append(Verified(tuple(known), tuple(known.values()), unknown))
    header = Header(
        f"{phase}/0", phase, problem, f"question {problem}", "1", "best-of-n", "majority", 1, "policy"
    )
    result = Result(None, None, "samples", Cost(), len(tree.nodes), len(leaves))
    return SearchRecord(header, tuple(events), result)


def verified(*records: SearchRecord) -> list[tuple[SearchRecord, Tree]]:
    return [(record, fold(record.events)) for record in records]


def text(sample: PolicySample) -> str:
    return "".join(step.text for step in sample.steps)


def pair(sample: PreferenceSample) -> tuple[str, str, str]:
    """The texts of a pair: the common beginning, the chosen and the rejected continuation."""
    parts = (sample.prefix, sample.chosen, sample.rejected)
    first, chosen, rejected = ("".join(step.text for step in part) for part in parts)
    return first, chosen, rejected
