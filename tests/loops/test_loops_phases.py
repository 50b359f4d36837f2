"""Durable phases: done once, typed, and stored as the summary of the phase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import PhaseError
from restmcts.grading.registry import GRADERS
from restmcts.loops.results import Labelled, Trained, TrainedValue, from_summary, to_summary
from restmcts.loops.run import Run
from restmcts.problems.splits import Splits
from restmcts.progress import Figures
from restmcts.recipe import Recipe
from store.errors import StoreError
from store.writer import RunWriter

RESULT = Labelled(rule="rest-mcts", trees=2, labelled_steps=5, chains=3)


class Heard:
    """Progress that remembers which phases have ended."""

    def __init__(self) -> None:
        self.finished: list[str] = []

    def start(self, phase: str, kind: str, total: int | None) -> None: ...

    def update(self, done: int, figures: Figures) -> None: ...

    def finish(self, phase: str, summary: object) -> None:
        self.finished.append(phase)

    def note(self, text: str) -> None: ...


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
