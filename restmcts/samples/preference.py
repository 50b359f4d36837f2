"""Pairs that a policy learns preferences from: whole traces by their scores, and steps by their tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from restmcts.labels import any_correct
from restmcts.samples.trees import VerifiedTree
from store.events import Step
from store.records import PreferenceSample
from store.tree import Node, Tree

Scored = tuple[VerifiedTree, Sequence[float | None]]
"""A verified tree with a score of each node, by number; None where it has none."""


@dataclass(slots=True)
class Pairs:
    """Pairs, and how many possible ones each rule removed.

    ``verdicts``: for each pair of whole traces, the oracle's verdicts on its chosen and its rejected one.
    """

    samples: list[PreferenceSample] = field(default_factory=list)
    removed: Counter[str] = field(default_factory=Counter)
    verdicts: list[tuple[bool | None, bool | None]] = field(default_factory=list)


def trace_pairs(trees: Iterable[Scored], margin: float) -> Pairs:
    """The best against the worst finished trace of each tree, by the scores alone.

    Of traces with equal scores, the one that more samples gave counts, then the one that joined the tree
    first. Traces with the same words are one.

    Args:
        trees: one tree a problem.
        margin: the least difference of their scores; equal scores give no pair in any case.

    Returns:
        The pairs. Trees are counted as removed that have ``few`` (fewer than two scored traces with different
        words), or whose scores are ``close``.
    """
    pairs = Pairs()
    for (record, tree), scores in trees:
        rated = _distinct(tree, scores)
        if len(rated) < 2:
            pairs.removed["few"] += 1
            continue
        (high, chosen), (low, rejected) = rated[0], rated[-1]
        if high == low or high - low < margin:
            pairs.removed["close"] += 1
            continue
        pairs.verdicts.append((chosen.correct, rejected.correct))
        pairs.samples.append(
            PreferenceSample(
                problem=record.header.problem,
                prompt=record.header.question,
                prefix=(),
                chosen=tuple(tree.steps(chosen.id)),
                rejected=tuple(tree.steps(rejected.id)),
                trees=(record.header.id,),
                margin=high - low,
            )
        )
    return pairs


def _distinct(tree: Tree, scores: Sequence[float | None]) -> list[tuple[float, Node]]:
    """The scored finished nodes of a tree, best first, those with the same words once."""
    rated = [(score, node) for node in tree.finished() if (score := scores[node.id]) is not None]
    rated.sort(key=lambda pair: (-pair[0], -pair[1].samples, pair[1].id))
    first = {words(tree.steps(node.id)): (score, node) for score, node in reversed(rated)}
    return sorted(first.values(), key=lambda pair: (-pair[0], -pair[1].samples, pair[1].id))


def step_pairs(trees: Iterable[VerifiedTree], most: int) -> Pairs:
    """Next steps of one partial solution: one on a right trace, and one that left all right traces.

    The partial solution is the beginning of a right trace. The step that left it has verified answers below
    it, and none of them is right. It is paired with the right step that more samples gave.

    Args:
        trees: verified trees; a problem may have several.
        most: pairs of a problem; those whose wrong step more samples gave come first, then those of shorter
            partial solutions.

    Returns:
        The pairs, all of them different. Pairs are counted as removed that are ``repeated`` (the words are
        those of another pair of the problem), or beyond the ``most``.
    """
    found: dict[str, list[tuple[int, PreferenceSample]]] = {}
    for record, tree in trees:
        kept = found.setdefault(record.header.problem, [])
        for chosen, rejected in _departures(tree):
            assert chosen.step is not None and rejected.step is not None and chosen.parent is not None
            sample = PreferenceSample(
                problem=record.header.problem,
                prompt=record.header.question,
                prefix=tuple(tree.steps(chosen.parent)),
                chosen=(chosen.step,),
                rejected=(rejected.step,),
                trees=(record.header.id,),
                margin=1.0,
            )
            kept.append((rejected.samples, sample))
    pairs = Pairs()
    for ranked in found.values():
        ranked.sort(key=lambda pair: (-pair[0], len(pair[1].prefix)))
        distinct = {_words_of(sample): sample for _, sample in reversed(ranked)}
        ordered = [sample for _, sample in ranked if distinct[_words_of(sample)] is sample]
        pairs.removed["repeated"] += len(ranked) - len(ordered)
        pairs.removed["most"] += max(0, len(ordered) - most)
        pairs.samples += ordered[:most]
    return pairs


def _departures(tree: Tree) -> Iterator[tuple[Node, Node]]:
    """The right and the wrong next steps of each beginning of a right trace, with different words."""
    hits = any_correct(tree)
    for node in tree.nodes:
        children = tree.children(node.id)
        right = [child for child in children if hits[child.id] == 1.0]
        if not right:
            continue
        chosen = max(right, key=lambda child: (child.samples, -child.id))
        texts = {words(tree.steps(child.id)) for child in right}
        for child in children:
            if hits[child.id] == 0.0 and words(tree.steps(child.id)) not in texts:
                yield chosen, child


def words(steps: Iterable[Step]) -> str:
    """The text of steps with single spaces, by which texts are compared."""
    return " ".join("".join(step.text for step in steps).split())


def _words_of(sample: PreferenceSample) -> tuple[str, str, str]:
    return words(sample.prefix), words(sample.chosen), words(sample.rejected)
