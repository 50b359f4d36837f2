"""How the answers of a tree stand, by the rule that chooses among them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from store.answering.constants import AnswerConstants
from store.answering.rules import SURE, WEIGHTS, answered
from store.tree import Tree


@dataclass(frozen=True, slots=True)
class Standing:
    """One answer of a tree.

    Attributes:
        answer: the answer.
        weight: what speaks for it: the sum of the weights of its nodes in a vote, else the largest of them.
            None where the rule has no weights.
        share: ``weight`` by the sum over all answers, 0 to 1; None where there is none.
        nodes: the numbers of the nodes that give it, the heaviest first.
    """

    answer: str
    weight: float | None
    share: float | None
    nodes: tuple[int, ...]


def tally(tree: Tree, rule: str, constants: AnswerConstants) -> list[Standing]:
    """The answers of ``tree`` as ``rule`` weighs them, the heaviest first; the earliest of equals.

    The first one is what the rule answers. Where the rule has no weights, answers stand in the order in which
    they were found.
    """
    nodes: dict[str, list[int]] = defaultdict(list)
    for node in answered(tree):
        assert node.answer is not None
        nodes[node.answer].append(node.id)
    if rule not in WEIGHTS:
        return [Standing(answer, None, None, tuple(found)) for answer, found in nodes.items()]
    weigh = WEIGHTS[rule](tree, constants)
    weights = {number: weigh(tree.nodes[number]) for found in nodes.values() for number in found}
    together = sum if rule in SURE else max
    totals = {answer: together(weights[number] for number in found) for answer, found in nodes.items()}
    whole = sum(totals.values())
    standings = [
        Standing(
            answer,
            totals[answer],
            totals[answer] / whole if whole else None,
            tuple(sorted(found, key=lambda number: -weights[number])),
        )
        for answer, found in nodes.items()
    ]
    return sorted(standings, key=lambda standing: -totals[standing.answer])
