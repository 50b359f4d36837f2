"""Held-out chains with what a value model said about them, as the rows of a value report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from restmcts.aggregations import AGGREGATIONS, Aggregation
from restmcts.evaluation.values.judged import Judged, JudgedChain, good_steps, likelihoods
from restmcts.labels.quality import are_fractions, are_quality_values, distances, quality_values
from store.records import ValueSample


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known about the steps of a chain.

    ``right``: whether the step and all before it are right, None where unknown. ``quality``: the quality
    values of the rule ``rest-mcts``, empty where they are not known.
    """

    right: tuple[bool | None, ...]
    quality: tuple[float | None, ...] = ()


def truth_of_labels(sample: ValueSample) -> Truth:
    """What the labels of a chain say themselves."""
    quality = sample.labels if are_fractions(sample.labels) and are_quality_values(sample.labels) else ()
    return Truth(good_steps(sample.labels), quality)


@dataclass(frozen=True, slots=True)
class Judging:
    """Chains, what is known about them, and what a value model said.

    Where the value of a partial solution aggregates over its steps, it is compared with whether the partial
    solution is right, 1 or 0; otherwise with the label of the step.

    Attributes:
        predictions: a value for each step of each chain; None for a chain that the model cannot read.
    """

    samples: Sequence[ValueSample]
    truths: Sequence[Truth]
    predictions: Sequence[Sequence[float] | None]
    aggregation: Aggregation

    def steps(self) -> Iterator[Judged]:
        """Every step of the chains once that can be compared with what is known about it."""
        combine, by_step = AGGREGATIONS[self.aggregation], self.aggregation == "last"
        seen: set[tuple[str, str, str]] = set()
        for sample, truth, values in self._read():
            derived = self._derived(values)
            for place, (node, likelihood) in enumerate(
                zip(_nodes(sample), likelihoods(sample.steps), strict=True)
            ):
                label, right = sample.labels[place], truth.right[place]
                should = label if by_step else right
                if should is None or right is None or node in seen:
                    continue
                seen.add(node)
                yield Judged(
                    sample.problem,
                    place + 1,
                    combine(values[: place + 1]),
                    float(should),
                    right,
                    likelihood,
                    quality=truth.quality[place] if truth.quality else None,
                    derived=derived[place] if derived else None,
                )

    def chains(self) -> Iterator[JudgedChain]:
        """The chains whose first error is known, and those without one; each up to the error, once."""
        rising = self.aggregation == "last" and any(are_fractions(sample.labels) for sample in self.samples)
        rising = rising and all(are_quality_values(sample.labels) for sample in self.samples)
        seen: set[tuple[str, str, str]] = set()
        for sample, truth, values in self._read():
            first = next((place for place, right in enumerate(truth.right) if right is not True), None)
            if first is not None and truth.right[first] is None:
                continue
            end = len(values) if first is None else first + 1
            node = _nodes(sample)[end - 1] if end else ("", "", "")
            if not end or node in seen:
                continue
            seen.add(node)
            scores = _changes(values) if rising else tuple(values)
            known = tuple(step.logprob for step in sample.steps[:end] if step.logprob is not None)
            yield JudgedChain(sample.problem, scores[:end], first, known if len(known) == end else ())

    def _read(self) -> Iterator[tuple[ValueSample, Truth, Sequence[float]]]:
        for sample, truth, values in zip(self.samples, self.truths, self.predictions, strict=True):
            if values is not None:
                yield sample, truth, values

    def _derived(self, values: Sequence[float]) -> tuple[float, ...]:
        """The quality values that the chances of steps imply; the length of the chain is all that is told."""
        if self.aggregation != "product":
            return ()
        return quality_values(values, distances([None] * len(values)))


def _changes(values: Sequence[float]) -> tuple[float, ...]:
    """By how much each step changes the value: where values rise along right steps, an error is a fall."""
    return tuple(value - before for before, value in zip((0.0, *values), values, strict=False))


def _nodes(sample: ValueSample) -> list[tuple[str, str, str]]:
    """The partial solutions of a chain: the problem, the tree and the text."""
    tree = sample.trees[0] if sample.trees else ""
    text, nodes = "", []
    for step in sample.steps:
        text += step.text
        nodes.append((sample.problem, tree, text))
    return nodes
