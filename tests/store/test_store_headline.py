"""The figure that stands for a run in the list of runs."""

from __future__ import annotations

from dataclasses import replace

from store.index.headline import headline
from store.records import Evaluation


def row(method: str, accuracy: float, budget: int | None = None, iteration: int = 0) -> Evaluation:
    phase = f"{iteration}.evaluate"
    correct = round(200 * accuracy)
    low, high = accuracy - 0.05, accuracy + 0.05
    return Evaluation(
        "run", phase, iteration, method, budget, None, 200, correct, accuracy, low, high, 17.0, 0.0
    )


def test_greedy_answers_first_and_last() -> None:
    rows = [
        row("greedy", 0.355),
        row("mcts", 0.9, 100),
        row("greedy", 0.785, iteration=2),
        row("mcts", 0.95, 100),
    ]
    found = headline(rows)
    assert found is not None
    assert (found.method, found.text) == ("greedy", "35.5% → 78.5% (73.5 to 83.5)")


def test_searches_of_training_and_of_other_methods_do_not_count() -> None:
    rows = [row("greedy", 0.5), row("greedy, demonstrations only", 0.1, iteration=1), row("mcts", 0.9, 100)]
    found = headline(rows)
    assert found is not None
    assert found.first is found.last is rows[0]
    assert found.text == "50.0% (45.0 to 55.0)"


def test_without_greedy_answers_it_is_the_method_that_was_measured_most_often() -> None:
    rows = [
        row("mcts", 0.4, 100),
        row("self-consistency", 0.3, 100),
        row("mcts", 0.5, 200),
        row("self-consistency", 0.6, 100, 1),
    ]
    found = headline(rows)
    assert found is not None and found.method == "self-consistency 100"
    assert found.text.startswith("30.0% → 60.0%")
    latest = headline(rows[:3])
    assert latest is not None and latest.method == "mcts 200"


def test_what_only_the_oracle_could_answer_is_no_headline() -> None:
    rows = [row("mcts", 0.4, 100), replace(row("oracle (mcts)", 0.9, 100), rule="oracle")]
    found = headline(rows)
    assert found is not None and found.method == "mcts 100"
    assert headline(rows[1:]) is None


def test_a_run_without_evaluations_has_none() -> None:
    assert headline([]) is None
