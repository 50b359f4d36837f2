"""Labels that a factorized value model can learn from."""

from __future__ import annotations

import pytest

from restmcts.errors import InputError
from restmcts.labels import LABEL_RULES
from restmcts.recipe import load_recipe
from restmcts.training.values.labels import check_rule, factorized
from store.events import Step
from store.records import ValueSample

Labels = tuple[float | None, ...]


def chains(*labels: Labels) -> list[ValueSample]:
    return [
        ValueSample("p1", "?", tuple(Step(f"{number}{place}\n") for place in range(len(one))), one, ())
        for number, one in enumerate(labels)
    ]


def test_quality_values_stay_as_they_are() -> None:
    samples = chains((0.5, 1.0), (0.5, 0.25, None), (0.0, 0.0))
    assert factorized(samples) == samples


def test_verdicts_end_at_the_first_error() -> None:
    found = factorized(chains((1.0, 1.0), (1.0, 0.0, 0.0, 1.0), (0.0, None), (1.0, None)))
    assert [one.labels for one in found] == [(1.0, 1.0), (1.0, 0.0, None, None), (0.0, None), (1.0, None)]


def test_shares_are_refused() -> None:
    with pytest.raises(InputError, match=r"problem 'p1': the labels 0\.75, 0\.5 are no quality values"):
        factorized(chains((0.5, 1.0), (0.75, 0.5)))


def test_verdicts_on_the_last_step_alone_are_refused() -> None:
    with pytest.raises(InputError, match="none, 1 say nothing about a step before a labelled one"):
        factorized(chains((None, 1.0)))


def test_rules_are_tried_out_before_any_search() -> None:
    for name in ("rest-mcts", "first-error", "any-correct"):
        check_rule(LABEL_RULES[name].run)
    with pytest.raises(InputError, match="no quality values"):
        check_rule(LABEL_RULES["correct-share"].run)


FACTORIZED = ["value_training.objective=factorized", "value_update.objective=factorized"]


def test_a_recipe_with_factorized_quality_values() -> None:
    recipe = load_recipe("tiny", [*FACTORIZED, "labels.rule=rest-mcts"])
    assert recipe.value_training.objective == "factorized"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([*FACTORIZED, "labels.rule=correct-share"], "labels.rule 'correct-share'"),
        ([*FACTORIZED, "models.value_aggregation=last"], "models.value_aggregation is 'last'"),
        (["value_update.objective=regression"], "value_update.objective is 'regression'"),
        (["value_start.objective=factorized", "models.value_aggregation=last"], "value_start.objective"),
    ],
)
def test_a_recipe_that_does_not_fit_together_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe("tiny", overrides)
