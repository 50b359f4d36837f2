"""What a factorized value model can learn from: quality values, or verdicts on single steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from restmcts.errors import InputError
from restmcts.labels import Labels
from restmcts.labels.quality import are_fractions, are_quality_values
from store.events import Critiqued, Extended, Step, Verified
from store.records import ValueSample
from store.tree import Tree, fold


def factorized(samples: Sequence[ValueSample]) -> list[ValueSample]:
    """The chains with the labels that the chances of single steps can learn from.

    Quality values stay as they are. Of labels that are 0 or 1, those up to the first 0 stay: they say of a
    step whether it is right, given that all steps before are right, and what comes after an error says
    nothing.

    Raises:
        InputError: the labels are neither, or there is none for a step before a labelled one.
    """
    if not any(are_fractions(sample.labels) for sample in samples):
        return [replace(sample, labels=_to_first_error(sample)) for sample in samples]
    for sample in samples:
        if not are_quality_values(sample.labels):
            raise InputError(
                f"problem {sample.problem!r}: the labels {_shown(sample)} are no quality values of the rule"
                " rest-mcts; the objective factorized learns from these, or from labels that are 0 or 1:"
                " choose another label rule, or the objective regression"
            )
    return list(samples)


def _to_first_error(sample: ValueSample) -> tuple[float | None, ...]:
    labels: list[float | None] = []
    right = True
    for place, label in enumerate(sample.labels):
        if label is not None and place and sample.labels[place - 1] is None:
            raise InputError(
                f"problem {sample.problem!r}: the labels {_shown(sample)} say nothing about a step before a"
                " labelled one; the objective factorized needs a label for every step up to the first error:"
                " choose another label rule, or the objective regression"
            )
        labels.append(label if right else None)
        right = right and label == 1.0
    return tuple(labels)


def _shown(sample: ValueSample) -> str:
    return ", ".join("none" if label is None else f"{label:.3g}" for label in sample.labels)


def check_rule(rule: Callable[[Tree], Labels]) -> None:
    """Refuse a label rule whose labels no factorized value model can learn from, before any search.

    The rule is tried on a tree with a right and a wrong trace that share their first step.

    Raises:
        InputError: its labels are neither quality values nor verdicts on single steps.
    """
    first, right, wrong = Step("1\n"), Step("2\n", ended=True), Step("3\n", ended=True)
    tree = fold(
        [
            Extended(0, (first, right)),
            Extended(0, (first, wrong)),
            Critiqued(2, True, "2"),
            Critiqued(3, True, "3"),
            Verified((2, 3), (True, False)),
        ]
    )
    labels = rule(tree)
    chains = [(first, right), (first, wrong)]
    factorized(
        [
            ValueSample("tried out", "", steps, (labels[1], labels[leaf]), ("",))
            for steps, leaf in zip(chains, (2, 3), strict=True)
        ]
    )
