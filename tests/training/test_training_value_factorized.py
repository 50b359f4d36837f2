"""Training a value model through the chances of single steps, and with a ranking of siblings."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.labels.quality import quality_values
from restmcts.training.settings import ValueTraining
from restmcts.training.values.held_out import predict_values
from restmcts.training.values.training import train_value
from store.records import ValueSample
from tests.training.training_models import Weights, step

SETTINGS = ValueTraining(
    learning_rate=3e-3, batch_size=16, updates=120, warmup_ratio=0.1, seed=3, objective="factorized"
)


def digits(count: int, seed: int = 0, *, verdicts: bool = False) -> list[ValueSample]:
    """Chains of four digits, of which those above 4 are right steps; labels of the paper, or verdicts.

    The digit is the last token of its step, so that no attention is needed to see whether it is right.
    """
    draw = random.Random(seed)
    samples = []
    for number in range(count):
        drawn = [draw.choice([5, 6, 7, 8, 9] if draw.random() < 0.75 else [0, 1, 2, 3, 4]) for _ in range(4)]
        right = [float(digit > 4) for digit in drawn]
        labels = tuple(right) if verdicts else quality_values(right, (4, 3, 2, 1))
        steps = tuple(step(f"{digit}") for digit in drawn)
        samples.append(ValueSample(f"s{number}", f"{number % 10}+1", steps, labels, (f"t/{number}",)))
    return samples


@pytest.mark.parametrize("verdicts", [False, True])
def test_steps_are_judged_from_quality_values_and_from_verdicts(
    policy: Path, tmp_path: Path, verdicts: bool
) -> None:
    """From a head of zeros; each step for itself, whatever came before it."""
    train_value(policy, digits(200, verdicts=verdicts), SETTINGS, tmp_path / "v", device="cpu")
    held_out = digits(60, seed=9)
    found = predict_values(tmp_path / "v", held_out, max_length=99, device="cpu")
    right: list[float] = []
    wrong: list[float] = []
    for sample, values in zip(held_out, found, strict=True):
        assert values is not None
        for one, value in zip(sample.steps, values, strict=True):
            (right if int(one.text) > 4 else wrong).append(value)
    assert min(right) > 0.7 and max(wrong) < 0.3


def test_the_report_compares_products_with_right_and_wrong(policy: Path, tmp_path: Path) -> None:
    report = train_value(
        policy, digits(200), SETTINGS, tmp_path / "v", held_out=digits(60, seed=9), device="cpu"
    )
    metrics = report.metrics
    assert metrics["held_out.auc"] > 0.95 and metrics["held_out.at_chance"] == 0.0
    assert metrics["held_out.first_error.f1"] > 0.9
    assert metrics["held_out.squared_error"] < 0.05
    assert metrics["held_out.quality.squared_error"] < 0.02
    assert report.last_loss < 0.3 * report.first_loss


def test_labels_that_say_neither_are_refused_and_nothing_is_written(policy: Path, tmp_path: Path) -> None:
    samples = [ValueSample("s", "1+1", (step("1"), step("2")), (0.5, 0.75), ("t/1",))]
    samples += [ValueSample("s", "1+1", (step("1"), step("3")), (0.5, 0.5), ("t/1",))]
    with pytest.raises(InputError, match="no quality values of the rule rest-mcts"):
        train_value(policy, samples, SETTINGS, tmp_path / "v", device="cpu")
    assert not (tmp_path / "v").exists()


def siblings(count: int) -> list[ValueSample]:
    """Trees of two chains that differ in their last digit: the one above 4 is a bit better, both are bad."""
    samples = []
    for number in range(count):
        for digit, label in ((number % 5, 0.1), (5 + number % 5, 0.15)):
            steps = (step("1"), step(f"{digit}"))
            samples.append(
                ValueSample(f"s{number}", f"{number % 10}+1", steps, (0.2, label), (f"t/{number}",))
            )
    return samples


def test_ranking_puts_the_better_sibling_above_the_other(policy: Path, tmp_path: Path) -> None:
    """Labels that hardly differ: regression alone keeps the values as near to each other."""
    settings = SETTINGS.model_copy(update={"objective": "regression", "updates": 60})
    gaps = []
    for weight in (0.0, 1.0):
        folder = tmp_path / f"v{weight}"
        train_value(
            policy, siblings(60), settings.model_copy(update={"ranking_weight": weight}), folder, device="cpu"
        )
        found = predict_values(folder, siblings(20), max_length=99, device="cpu")
        values = [row[1] for row in found if row is not None]
        gaps.append(min(good - bad for bad, good in zip(values[::2], values[1::2], strict=True)))
    assert gaps[1] > gaps[0] + 0.1


def test_ranking_is_trained_alike_from_equal_seeds(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    settings = SETTINGS.model_copy(update={"ranking_weight": 0.5, "updates": 5})
    made: list[Weights] = []
    for name in ("a", "b"):
        train_value(policy, digits(30), settings, tmp_path / name, device="cpu")
        made.append(weights(tmp_path / name))
    assert all(made[0][name].equal(made[1][name]) for name in made[0])
