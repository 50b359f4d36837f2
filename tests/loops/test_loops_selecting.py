"""What loops learn from: which trees, which policy, which temperature; and never what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from restmcts.errors import InputError, PhaseError
from restmcts.loops import checks
from restmcts.loops.checks import check_apart_from_measured
from restmcts.loops.run import Run
from restmcts.loops.work.tuning import balance
from restmcts.problems.registry import load_splits
from restmcts.problems.splits import plain_text
from restmcts.recipe import Recipe
from restmcts.search.running.task import SearchTask
from store.tree import fold
from tests.cli.commands import write_lines
from tests.loops.scripted import BASE, TRACE, Heard, Scripts, opened, recipe, splits, to_the_end
from tests.samples.made_trees import search

GUIDED: dict[str, Any] = {"method": "mcts-improved", "budget": 60, "problems": 4}


def summaries(root: Path, made: Recipe, **more: Any) -> dict[str, dict[str, Any]]:
    """What every phase of a finished run reported."""
    to_the_end(root, made, **more)
    with opened(root, made) as run:
        return {phase.name: phase.summary for phase in run.writer.phases()}


@pytest.mark.parametrize(
    ("labels", "selection", "traces", "values"),
    [
        ("all", None, ["0.search", "1.search", "2.search"], ["0.label", "1.label", "2.label"]),
        ("latest", None, ["2.search"], ["2.label"]),
        ("all", "latest", ["2.search"], ["0.label", "1.label", "2.label"]),
        ("latest", "all", ["0.search", "1.search", "2.search"], ["2.label"]),
    ],
)
def test_traces_and_labels_have_memories_of_their_own(
    scripts: Scripts, tmp_path: Path, labels: str, selection: str | None, traces: list[str], values: list[str]
) -> None:
    made = recipe(generation=GUIDED, labels={"memory": labels}, selection={"memory": selection})
    found = summaries(tmp_path, made)
    assert found["2.select"]["searches"] == traces
    assert found["2.train-value"]["samples_from"] == values
    assert found["2.train-policy"]["samples_from"] == ["2.select"]
    assert found["2.label"]["search"] == "2.search"


@pytest.mark.parametrize(
    ("bootstrap", "memory", "first", "second"),
    [
        (False, None, ["1.search"], ["2.search"]),
        (True, None, ["0.search", "1.search"], ["2.search"]),
        (True, "all", ["0.search", "1.search"], ["0.search", "1.search", "2.search"]),
        (False, "all", ["1.search"], ["1.search", "2.search"]),
    ],
)
def test_rest_em_may_learn_from_the_trees_of_the_bootstrap(
    scripts: Scripts, tmp_path: Path, bootstrap: bool, memory: str | None, first: list[str], second: list[str]
) -> None:
    own = {"samples": 4, "bootstrap": bootstrap}
    made = recipe(loop="rest-em", loop_settings=own, selection={"memory": memory}, generation={"problems": 4})
    found = summaries(tmp_path, made)
    assert (found["1.select"]["searches"], found["2.select"]["searches"]) == (first, second)


@pytest.mark.parametrize("loop", ["rest-mcts", "rest-em", "step-pairs"])
def test_the_policy_is_trained_from_the_base_or_from_the_last_one(
    scripts: Scripts, tmp_path: Path, loop: str
) -> None:
    for from_base in (True, False):
        made = recipe(loop=loop, loop_settings={"from_base": from_base}, generation=GUIDED)
        found = summaries(tmp_path / str(from_base), made)
        last = found["1.validate"]["policy"]
        assert found["2.train-policy"]["parent"] == (BASE if from_base else last)
    assert last != BASE


def test_pairs_of_steps_are_learned_after_the_traces(scripts: Scripts, tmp_path: Path) -> None:
    found = summaries(tmp_path, recipe(loop="step-pairs", generation=GUIDED))
    supervised, paired = found["1.train-policy"], found["1.train-preference"]
    assert supervised["checkpoint"] == paired["parent"] == "checkpoints/1/supervised"
    assert paired["checkpoint"] == "checkpoints/1/policy"
    assert paired["samples_from"] == ["1.pair"]
    assert found["1.pair"]["searches"] == ["0.search", "1.search"]
    assert paired["samples"] == found["1.pair"]["pairs"] > 0


TEMPERATURES = {"temperatures": [0.4, 1.2], "tuning_problems": 3, "tuning_traces": 4}


def test_a_temperature_is_chosen_and_searched_with(scripts: Scripts, tmp_path: Path) -> None:
    made = recipe(loop="rest-em", loop_settings={"samples": 4}, generation={"tokens": 900, **TEMPERATURES})
    found = summaries(tmp_path, made, problems=splits(40))
    tuned = found["1.tune"]
    assert tuned["balance"].keys() == {"0.4", "1.2"}
    assert tuned["temperature"] == float(
        max(tuned["balance"], key=lambda name: (tuned["balance"][name], -float(name)))
    )
    assert tuned["trees"] == 6
    assert 900 - 4 * TRACE < tuned["policy_tokens"] + found["1.search"]["policy_tokens"] <= 900
    with opened(tmp_path, made) as run:
        tried = [record.header.settings["temperature"] for record in run.writer.read_trees("1.tune")]
        used = {record.header.settings["temperature"] for record in run.writer.read_trees("1.search")}
        assert tried == [0.4] * 3 + [1.2] * 3
        assert used == {tuned["temperature"]}
        assert isinstance(run.progress, Heard)


def test_a_tuning_that_might_take_all_tokens_is_refused(scripts: Scripts, tmp_path: Path) -> None:
    made = recipe(loop="rest-em", loop_settings={"samples": 4}, generation={"tokens": 600, **TEMPERATURES})
    with pytest.raises(InputError, match=f"trying the temperatures may take {2 * 3 * 4 * TRACE} of them"):
        to_the_end(tmp_path, made)


def test_the_temperature_of_a_task_is_that_of_its_requests(scripts: Scripts, tmp_path: Path) -> None:
    made = recipe(loop="rest-em", loop_settings={"samples": 4}, generation={"temperatures": [0.4]})
    to_the_end(tmp_path, made)
    sampled = {call.temperature for policy in scripts.policies for call in policy.calls}
    assert sampled == {0.0, 0.4}
    assert "temperature" in SearchTask.__dataclass_fields__


def test_a_balance_wants_right_and_different_traces() -> None:
    """6 samples: ab twice and cd right, three wrong; at most 2, 3 or 4 different right traces are wanted."""
    tree = fold(
        search([("ab", True), ("ab", True), ("cd", True), ("e", False), ("f", False), ("g", False)]).events
    )
    assert balance(tree, 6, 2) == 0.5
    assert balance(tree, 6, 1) == 0.5
    assert balance(tree, 6, 4) == 0.25
    assert balance(fold(search([("e", False)]).events), 1, 2) == 0.0


def test_what_filters_remove_is_counted_and_told(scripts: Scripts, tmp_path: Path) -> None:
    made = recipe(loop="rest-em", loop_settings={"samples": 12}, selection={"top": 1}, iterations=1)
    with opened(tmp_path, made) as run:
        to_the_end_in(run)
        selected = run.writer.phase_summary("1.select")
        assert isinstance(run.progress, Heard)
        notes = run.progress.notes
    assert selected["removed"]["top"] == selected["correct_traces"] - selected["kept"] > 0
    assert any(f"{selected['removed']['top']} by top are removed" in note for note in notes)


def to_the_end_in(run: Run) -> None:
    from restmcts.loops.registry import LOOPS, loop_settings

    LOOPS[run.recipe.loop].run(run, loop_settings(run.recipe))


def test_nothing_is_trained_on_a_problem_that_is_measured_on() -> None:
    apart = splits()
    check_apart_from_measured(apart, "1.train-policy", ["train 1", "train 2"])
    for name in ("validation 2", "  TEST\t1 "):
        with pytest.raises(
            PhaseError, match=r"1\.train-policy: .*'(validation-2|test-1)', which is measured on"
        ):
            check_apart_from_measured(apart, "1.train-policy", ["train 1", name])


def test_each_problem_is_looked_at_once_however_many_samples_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def look(text: str) -> str:
        looked.append(text)
        return plain_text(text)

    monkeypatch.setattr(checks, "plain_text", look)
    known = splits()
    check_apart_from_measured(known, "1.train-policy", ["train 1", "train 2"] * 1000)
    assert len(looked) == len(known.validation) + len(known.test) + 2


def test_samples_are_checked_before_every_training(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from restmcts.loops.work import training

    monkeypatch.setattr(training, "prepare", lambda models: None)
    made = recipe(loop="rest-em", loop_settings={"samples": 4}, iterations=1)
    to_the_end(tmp_path, made)
    with opened(tmp_path, made) as run:
        (sample, *_) = run.policy_samples("1.select")
        measured = replace(sample, prompt="Test  0")
        with pytest.raises(PhaseError, match="'test-0', which is measured on"):
            training.tune_policy(run, "1.train-policy", 1, [sample, measured], BASE)


def test_problems_in_two_splits_are_refused_when_they_are_loaded(tmp_path: Path) -> None:
    rows = [{"problem": f"p {number}", "answer": "1"} for number in range(30)]
    train = write_lines(tmp_path / "train.jsonl", *rows)
    test = write_lines(tmp_path / "test.jsonl", {"problem": "P  3", "answer": "1"})
    made = Recipe.model_validate(
        {"recipe": "r", "models": {"policy": "p"}, "problems": {"train": str(train), "test": str(test)}}
    )
    with pytest.raises(InputError, match="'test-00001' of the test problems is also the training problem"):
        load_splits(made.problems, 1)
