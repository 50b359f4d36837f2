"""Step labels that fall with the distance to a correct answer."""

from __future__ import annotations

from pydantic import Field

from restmcts.labels import LabelRule, Labels
from restmcts.settings import Settings
from store.tree import Tree


class Discounted(Settings):
    """The settings of the rule."""

    discount: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="label of the last step but one of a correct trace, if the last one has 1",
    )


def discounted(tree: Tree, settings: Discounted) -> Labels:
    """The best discounted outcome below a step: 0 where all verified answers are wrong."""
    labels: list[float | None] = [None] * len(tree.nodes)
    for node in reversed(tree.nodes[1:]):
        own = [] if node.correct is None else [float(node.correct)]
        below = [label for child in node.children if (label := labels[child]) is not None]
        labels[node.id] = max([*own, *(settings.discount * label for label in below)], default=None)
    return tuple(labels)


DISCOUNTED = LabelRule(discounted, "best outcome below a step, discounted by its distance", Discounted)
