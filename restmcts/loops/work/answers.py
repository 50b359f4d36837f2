"""Constants of the answer rules for a new value model, fitted on held-out trees and written beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from restmcts.evaluation.answer_file import ANSWERS, answer_file
from restmcts.loops.run import Run
from restmcts.samples.trees import to_judge_by
from store.files.atomic import write_file


class AnswerConstantsWriter:
    """Fits the constants for the value model in a folder, and writes them into the folder.

    Args:
        run: the run.
        phase: the phase that trains the value model, for notes.
        searches: the phases whose trees of held-out problems the constants are fitted on.
    """

    def __init__(self, run: Run, phase: str, searches: Sequence[str]) -> None:
        self.run = run
        self.phase = phase
        self.searches = searches

    def __call__(self, folder: Path) -> None:
        from restmcts.training.answers import fit_answers

        run, models = self.run, self.run.recipe.models
        fitted = fit_answers(
            folder,
            to_judge_by(run.trees(*self.searches)),
            {problem.id: problem for problem in run.problems.train},
            run.data_set.right_step,
            aggregation=models.value_aggregation,
            max_length=run.recipe.value_training.max_length,
            device=models.device,
        )
        write_file(folder / ANSWERS, [answer_file(fitted, models.value_aggregation)])
        if fitted.notes:
            run.progress.note(f"{self.phase}: answer rules keep defaults: {'; '.join(fitted.notes)}")
