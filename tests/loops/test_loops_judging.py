"""Judging value models: what is known about held-out steps, and what is said and done about the figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from restmcts.cli.output.console import summarized
from restmcts.errors import PhaseError
from restmcts.evaluation.values.judged import Judged
from restmcts.evaluation.values.value_report import ValueReport, value_report
from restmcts.grading.registry import GRADERS
from restmcts.loops import phases, value_phases
from restmcts.loops.results import Trained, TrainedValue
from restmcts.loops.run import Run
from restmcts.loops.stored.models import models_of
from restmcts.loops.work.judging import Judge, check_ranking, known_prefixes, truth, worse
from restmcts.problems.problem import Problem
from restmcts.problems.splits import Splits
from restmcts.recipe import Recipe
from store.events import Step
from store.records import ValueSample
from store.runs.reading import read_checkpoints
from store.runs.writer import RunWriter
from tests.labels.test_labels_rules import tree_of
from tests.loops.scripted import BASE, Scripts, opened
from tests.loops.scripted import recipe as scripted_recipe
from tests.loops.test_loops_phases import Heard
from tests.store.build import record


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    recipe = Recipe.model_validate({"recipe": "r", "problems": {"data_set": "tiny", "lowest_auc": 0.4}})
    with (
        RunWriter.create_or_open(tmp_path, "r", config='recipe = "r"\n', environment={}) as writer,
        GRADERS["math"].open() as grader,
    ):
        yield Run(recipe, writer, Splits([], [], [], []), grader, Heard())


def report(auc: str, error: float = 0.1, problems: int = 100) -> ValueReport:
    """A value model that ranks well, like chance or wrongly, and misses labels by ``error``, squared."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(4 * problems):
        right = number % 2 == 1
        said = {"good": float(right), "chance": 0.5, "bad": float(not right)}[auc] + random.normal(0, 0.1)
        rows.append(Judged(f"p{number // 4}", 1, said, said - error**0.5, right))
    return value_report(rows, repeats=100)


def test_steps_are_right_on_correct_traces_or_as_the_data_set_says() -> None:
    tree, _ = tree_of({"a": {"b": True, "c": False}, "d": None})
    searched = record(0)
    problems = {searched.header.problem: Problem(searched.header.problem, "?", "1")}
    name = searched.header.id
    by_tree = known_prefixes([(searched, tree)], problems, lambda problem, text: None)
    assert by_tree == {
        (name, "a\n"): (True, 0.5),
        (name, "d\n"): (None, None),
        (name, "a\nb\n"): (True, 1.0),
        (name, "a\nc\n"): (False, 0.25),
    }
    by_set = known_prefixes([(searched, tree)], problems, lambda problem, text: text == "d\n")
    assert [right for right, _ in by_set.values()] == [False, True, False, False]
    sample = ValueSample("p", "?", (Step("a\n"), Step("c\n")), (1.0, None), (name,))
    assert truth(sample, by_tree).right == (True, False)
    assert truth(sample, by_tree).quality == (0.5, 0.25)


def test_a_value_model_that_misses_labels_by_more_is_not_carried_on() -> None:
    assert worse(report("good", 0.1), report("good", 0.2)) is None
    assert worse(report("good", 0.1), None) is None
    assert worse(report("good", 0.2), report("good", 0.1)) == (
        "misses held-out labels by 0.2000 (squared), the one before by 0.1000"
    )


def test_a_value_model_at_chance_does_not_replace_a_better_one() -> None:
    assert "no better" not in str(worse(report("chance", 0.1), report("chance", 0.2)))
    objection = worse(report("chance", 0.1), report("good", 0.2))
    assert objection is not None and "about as well as chance" in objection
    assert worse(report("good", 0.1), report("chance", 0.2)) is None


def notes(run: Run, made: ValueReport) -> list[str]:
    assert isinstance(run.progress, Heard)
    run.progress.notes.clear()
    check_ranking(run, "1.train-value", made.overall)
    return run.progress.notes


def test_chance_and_too_few_steps_are_told(run: Run) -> None:
    assert notes(run, report("good")) == []
    (told,) = notes(run, report("chance"))
    assert told.startswith("1.train-value: the value model ranks good above bad steps with AUC 0.")
    assert "cannot be told from chance" in told
    (few,) = notes(run, report("good", problems=2))
    assert "4 good and 4 bad held-out steps are too few" in few


def test_a_data_set_may_refuse_a_value_model(run: Run) -> None:
    with pytest.raises(PhaseError, match=r"AUC 0\.00 .*below problems\.lowest_auc = 0\.4"):
        check_ranking(run, "0.train-value", report("bad").overall)


@pytest.mark.parametrize(("new", "carried"), [("good", True), ("chance", False)])
def test_a_training_keeps_its_figures_and_says_which_model_goes_on(run: Run, new: str, carried: bool) -> None:
    """The figures are in the summary, with the checkpoint and among the metrics that the TUI shows."""
    trained = Trained(checkpoint="new", parent="before", updates=1, samples=2, first_loss=1.0, last_loss=0.5)
    reports = {"new": report(new, 0.1), "before": report("good", 0.2)}

    def work(phase: str) -> TrainedValue:
        return value_phases._judged(run, phase, 1, trained, cast(Judge, reports.__getitem__), "before")

    made = run.phase("1.train-value", "train", 1, TrainedValue, work)
    assert (made.carried, made.value) == (carried, "new" if carried else "before")
    assert made.metrics["at_chance"] == float(not carried)
    layout = run.writer.layout
    assert '"value.auc"' in layout.metrics.read_text("utf-8")
    assert '"at_chance"' in layout.checkpoints.read_text("utf-8")
    assert isinstance(run.progress, Heard)
    assert any("not carried on" in note for note in run.progress.notes) is not carried
    assert ("no better than chance" in summarized(run.writer.phase_summary("1.train-value"))) is not carried


@pytest.mark.parametrize(("error", "carried"), [(0.2, "start"), (0.05, "value")])
def test_v0_is_the_model_of_the_start_stage_unless_trees_make_it_better(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: float, carried: str
) -> None:
    reports = {"start": report("good", 0.1), "value": report("good", error)}
    monkeypatch.setattr(value_phases, "Judge", lambda *_: lambda value: reports[Path(value).name])
    wanted = scripted_recipe(bootstrap={"traces": 4, "perturbed": 1})
    with opened(tmp_path, wanted) as run:
        found, _ = value_phases.first_value(run, phases.base_policy(run))
        assert found == f"checkpoints/0/{carried}"
        assert models_of(run, 0) == (0, BASE, found)
        kinds = [(row.kind, row.carried) for row in read_checkpoints(run.writer.layout)]
    assert kinds == [("start", True), ("value", carried == "value")]
