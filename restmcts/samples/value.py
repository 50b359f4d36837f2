"""What a value model learns from: chains of labelled steps."""

from __future__ import annotations

from collections.abc import Iterator

from restmcts.labels import Labels
from store.events import SearchRecord
from store.records import ValueSample
from store.tree import Tree


def labelled_chains(record: SearchRecord, tree: Tree, labels: Labels) -> Iterator[ValueSample]:
    """One sample for every chain from the root to a leaf that has a label on it."""
    for leaf in tree.nodes[1:]:
        if leaf.children:
            continue
        path = tree.path(leaf.id)
        on_path = tuple(labels[node.id] for node in path)
        if any(label is not None for label in on_path):
            yield ValueSample(
                problem=record.header.problem,
                question=record.header.question,
                steps=tuple(node.step for node in path if node.step is not None),
                labels=on_path,
                trees=(record.header.id,),
            )
