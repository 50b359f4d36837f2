"""Step labels by completions sampled from each step (MATH-SHEPHERD, arXiv 2312.08935, Section 3.3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from restmcts.labels.registry import LabelRule, Labels
from restmcts.settings import Settings
from store.tree import Tree


class MathShepherd(Settings):
    """The settings of MATH-SHEPHERD."""

    estimate: Literal["hard", "soft"] = Field(
        default="hard",
        description=(
            "`hard`: 1 if any completion of a step reaches the right answer, else 0; `soft`: the share of"
            " its completions that do"
        ),
    )


def math_shepherd(tree: Tree, settings: MathShepherd) -> Labels:
    """Label the steps of the solutions of a tree by the verdicts on completions that start right after them.

    A solution is a trace that was sampled from the root. Completions that start further down say nothing
    about a step, nor does another solution through it. The last step of a finished solution has its own
    verdict as its label. Completions without a verdict do not count; a step without any, the steps of
    completions and the root have no label. Nor has a tree without completions whose solutions have several
    steps: it would teach outcomes alone.
    """
    labels: list[float | None] = [None] * len(tree.nodes)
    completed = {node: leaves for node, leaves in tree.traces.items() if node}
    for node, leaves in completed.items():
        verdicts = [tree.nodes[leaf].correct for leaf in leaves]
        labels[node] = _estimate([verdict for verdict in verdicts if verdict is not None], settings)
    solutions = [tree.nodes[leaf] for leaf in tree.traces.get(0, [])]
    if completed or all(leaf.depth == 1 for leaf in solutions):
        for leaf in solutions:
            if leaf.depth and leaf.correct is not None:
                labels[leaf.id] = float(leaf.correct)
    return tuple(labels)


def _estimate(verdicts: list[bool], settings: MathShepherd) -> float | None:
    if not verdicts:
        return None
    return float(any(verdicts)) if settings.estimate == "hard" else sum(verdicts) / len(verdicts)


MATH_SHEPHERD = LabelRule(
    math_shepherd,
    "whether completions sampled from a step reach the right answer (MATH-SHEPHERD)",
    MathShepherd,
    needs="no step has completions with a verdict; the method step-completions samples them",
)
