"""Durable phases: done once, typed, and stored as the summary of the phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError, PhaseError
from restmcts.grading.registry import GRADERS
from restmcts.loops.results import (
    Labelled,
    Searched,
    Selected,
    Trained,
    TrainedValue,
    from_summary,
    to_summary,
)
from restmcts.loops.run import Run
from restmcts.problems.splits import Splits
from restmcts.progress import Figures
from restmcts.recipe import Recipe
from store.errors import StoreError
from store.records import WorkerFigures
from store.runs.writer import RunWriter

RESULT = Labelled(rule="rest-mcts", trees=2, labelled_steps=5, chains=3)


class Heard:
    """Progress that remembers which phases have ended."""

    def __init__(self) -> None:
        self.finished: list[str] = []
        self.notes: list[str] = []

    def start(self, phase: str, kind: str, total: int | None) -> None: ...

    def update(self, done: int, figures: Figures) -> None: ...

    def workers(self, found: Sequence[WorkerFigures]) -> None: ...

    def finish(self, phase: str, summary: object) -> None:
        self.finished.append(phase)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    recipe = Recipe.model_validate({"recipe": "r", "problems": {"data_set": "tiny"}})
    with (
        RunWriter.create_or_open(tmp_path, "r", config='recipe = "r"\n', environment={}) as writer,
        GRADERS["math"].open() as grader,
    ):
        yield Run(recipe, writer, Splits([], [], [], []), grader, Heard(), {"loops": {"x": "y 1"}})


def test_a_phase_is_done_once_and_gives_its_stored_result(run: Run) -> None:
    called: list[str] = []

    def work(phase: str) -> Labelled:
        called.append(phase)
        return RESULT

    first = run.phase("1.label", "label", 1, Labelled, work)
    again = run.phase("1.label", "label", 1, Labelled, work)
    assert called == ["1.label"]
    assert first == again
    assert first.phase == "1.label"
    assert (first.rule, first.chains) == ("rest-mcts", 3)
    assert isinstance(run.progress, Heard)
    assert run.progress.finished == ["1.label", "1.label"]


def test_a_phase_that_failed_is_done_again(run: Run) -> None:
    def fails(phase: str) -> Labelled:
        raise PhaseError(f"{phase}: nothing to label")

    with pytest.raises(PhaseError, match=r"1\.label: nothing"):
        run.phase("1.label", "label", 1, Labelled, fails)
    assert run.writer.phase_status("1.label") == "failed"
    assert run.phase("1.label", "label", 1, Labelled, lambda phase: RESULT).trees == 2
    assert run.writer.phase_status("1.label") == "done"


def test_the_summary_of_another_version_is_refused() -> None:
    summary = to_summary(RESULT)
    del summary["chains"]
    with pytest.raises(StoreError, match=r"phase '1\.label': its stored summary lacks chains"):
        from_summary(Labelled, "1.label", summary)


def test_the_summary_of_a_version_that_knew_less_is_read() -> None:
    trained = {
        "checkpoint": "c",
        "parent": None,
        "updates": 1,
        "samples": 2,
        "first_loss": 1.0,
        "last_loss": 0.5,
    }
    assert from_summary(Trained, "1.train-policy", trained).samples_from == []
    selected = {"correct_traces": 4, "kept": 3, "problems": 2, "demonstrations": 1}
    found = from_summary(Selected, "1.select", selected)
    assert (found.searches, found.removed) == ([], {})
    labelled = {"rule": "rest-mcts", "trees": 1, "labelled_steps": 2, "chains": 1}
    assert from_summary(Labelled, "1.label", labelled).search == ""


@given(
    st.dictionaries(st.text("abc.", min_size=1), st.floats(allow_nan=False)),
    st.one_of(st.none(), st.text()),
)
def test_a_result_comes_back_from_its_summary(metrics: dict[str, float], parent: str | None) -> None:
    trained = Trained(
        phase="0.train-value",
        checkpoint="checkpoints/0/value",
        parent=parent,
        updates=3,
        samples=4,
        first_loss=0.5,
        last_loss=0.25,
        metrics=metrics,
    )
    value = TrainedValue(**vars(trained), value="v", carried=True)
    for result in (trained, value):
        assert from_summary(type(result), result.phase, to_summary(result)) == result
    assert "phase" not in to_summary(value)
    assert list(to_summary(value))[-2:] == ["value", "carried"]


def searched(**counts: int) -> Searched:
    known: dict[str, Any] = {"trees": 5, "solved": 2, "answers": 3, "policy_tokens": 9, "value_tokens": 0}
    return Searched(**{**known, "failed": 0, **counts})


def test_failed_searches_are_run_again_unless_something_was_learned_from_them(run: Run) -> None:
    again = replace(run, retry_failed=True)
    done: list[str] = []

    def search(phase: str) -> Searched:
        done.append(phase)
        return searched(failed=0 if len(done) > 2 else 1)

    for name, kind in (("0.search", "search"), ("0.evaluate", "evaluate")):
        run.phase(name, kind, 0, Searched, search)
        run.phase(name, kind, 0, Searched, search)
    assert done == ["0.search", "0.evaluate"]
    for name, kind in (("0.search", "search"), ("0.evaluate", "evaluate")):
        assert again.phase(name, kind, 0, Searched, search).failed == 0
    assert done[2:] == ["0.search", "0.evaluate"]
    run.phase("1.search", "search", 1, Searched, lambda phase: searched(failed=1))
    run.phase("1.label", "label", 1, Labelled, lambda phase: RESULT)
    assert again.phase("1.search", "search", 1, Searched, search).failed == 1
    assert done[4:] == []
    assert isinstance(run.progress, Heard)
    (note,) = run.progress.notes
    assert note.startswith("1.search: 1 failed searches stay as they are, since 1.label has used this phase")


def test_a_phase_goes_on_with_more_searches(run: Run) -> None:
    phase = ("search", "search", 0, Searched)
    assert run.phase(*phase, lambda name: searched(trees=5), searches=5).trees == 5
    assert run.phase(*phase, lambda name: searched(trees=9), searches=5).trees == 5
    assert run.phase(*phase, lambda name: searched(trees=9), searches=9).trees == 9
    with pytest.raises(InputError, match="has 9 searches, and 5 are asked for: give at least as many"):
        run.phase(*phase, lambda name: searched(trees=5), searches=5)
    assert run.writer.phase_status("search") == "done"
