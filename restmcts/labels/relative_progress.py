"""Step labels by the progress that a step makes (GenPRM, arXiv 2504.00891)."""

from __future__ import annotations

from pydantic import Field

from restmcts.labels.estimation import correct_share, share_of_tree
from restmcts.labels.registry import LabelRule, Labels
from restmcts.settings import Settings
from store.tree import Tree


class RelativeProgress(Settings):
    """The settings of relative progress."""

    slack: float = Field(
        default=0.8,
        gt=0,
        description="the least share of correct answers after a right step, relative to that before it",
    )


def relative_progress(tree: Tree, settings: RelativeProgress) -> Labels:
    """1 for a step after which at least ``slack`` of the chance of a right answer is left, else 0.

    The chance before and after a step is the share of the verified answers below its parent and below the
    step that are correct (:func:`~restmcts.labels.estimation.correct_share`); before the first step it is
    that of the whole tree. A step whose share is 0 is wrong. Where the share of the parent is 0 nothing can
    be lost any more: steps after such an error have no label, nor have steps below which nothing was
    verified. A tree without a correct answer has none at all.
    """
    shares = (share_of_tree(tree), *correct_share(tree)[1:])
    labels: list[float | None] = [None]
    for node in tree.nodes[1:]:
        before, after = shares[node.parent or 0], shares[node.id]
        labels.append(float(after >= settings.slack * before) if before and after is not None else None)
    return tuple(labels)


RELATIVE_PROGRESS = LabelRule(
    relative_progress,
    "1 where a step keeps most of the share of correct answers of its parent, else 0 (from the leaves)",
    RelativeProgress,
)
