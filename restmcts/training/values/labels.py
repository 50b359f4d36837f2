"""What a factorized value model can learn from: quality values, or verdicts on single steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from restmcts.aggregations import Aggregation
from restmcts.errors import InputError
from restmcts.labels import Labels
from restmcts.labels.quality import are_fractions, are_quality_values
from restmcts.training.settings import ValueTraining
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


def check_objectives(
    stages: Mapping[str, ValueTraining | None],
    name: str,
    rule: Callable[[], Callable[[Tree], Labels]],
    aggregation: Aggregation,
) -> None:
    """Refuse objectives that do not fit each other, the labels or the searches.

    Args:
        stages: the tables of a recipe that train value models, by name.
        name: of the label rule.
        rule: gives the label rule.
        aggregation: how searches read a value model.

    Raises:
        InputError: they do not fit.
    """
    training, update = stages["value_training"], stages["value_update"]
    if training and update and training.objective != update.objective:
        raise InputError(
            f"value_update.objective is {update.objective!r}, value_training.objective is"
            f" {training.objective!r}: a value model goes on saying what it has learned to say; give both the"
            " same"
        )
    chosen = [table for table, stage in stages.items() if stage and stage.objective == "factorized"]
    if chosen and aggregation == "last":
        raise InputError(
            f"{chosen[0]}.objective is 'factorized', with which the model says how likely single steps are"
            " right, but models.value_aggregation is 'last': write value_aggregation = \"product\" in"
            " [models]"
        )
    if training and training.objective == "factorized":
        try:
            check_rule(rule())
        except InputError as error:
            raise InputError(f"labels.rule {name!r}: {error}") from None
