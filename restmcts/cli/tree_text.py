"""A search tree as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from restmcts.cli.text import visible
from store.tree import Node, Tree

DEEPEST = 40
"""Levels that are indented; deeper nodes say their depth instead, as lines would get longer without end."""

Labels = Mapping[str, tuple[float | None, ...]]
"""Quality values by the name of the rule, one a node."""

VERDICTS = {True: "correct", False: "wrong", None: "not graded"}


def tree_lines(tree: Tree, labels: Labels) -> Iterator[Text]:
    """A line for each node, each below its parent: the step, then visits, values, labels and verdict."""
    yield Text(f"root  N {tree.root.visits}  V {tree.root.value:.3f}")
    waiting = _children(tree, tree.root, "")
    while waiting:
        node, above, is_last = waiting.pop()
        deep = node.depth > DEEPEST
        turn = f"… {node.depth}  " if deep else "└── " if is_last else "├── "
        yield _line(f"{above}{turn}", node, labels)
        waiting += _children(tree, node, above if deep else above + ("    " if is_last else "│   "))


def _children(tree: Tree, node: Node, above: str) -> list[tuple[Node, str, bool]]:
    """The children of a node, the last first, with what stands before their lines."""
    return [(child, above, place == 0) for place, child in enumerate(reversed(tree.children(node.id)))]


def _line(before: str, node: Node, labels: Labels) -> Text:
    figures = f"N {node.visits}  V {node.value:.3f}"
    if node.score is not None:
        figures += f"  score {node.score:.3f}"
    for rule, values in labels.items():
        value = values[node.id] if node.id < len(values) else None
        if value is not None:
            figures += f"  {visible(rule)} {value:.3f}"
    mark = ""
    if node.finished:
        mark = "  finished" if node.correct is None else f"  {VERDICTS[node.correct]}"
    text = "" if node.step is None else visible(node.step.text.strip(), 120)
    return Text(f"{before}{text}  ").append(f"[{figures}]{mark}", style="dim")
