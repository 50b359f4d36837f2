"""Constants of the answer rules for a value model of one's own, fitted on the trees of a stored run."""

from __future__ import annotations

import shutil
from pathlib import Path

from restmcts.errors import InputError
from restmcts.evaluation.answer_file import ANSWERS, answer_file
from restmcts.evaluation.answer_fitting import Fitted
from restmcts.export.trees import read_trees, training_searches
from restmcts.loops.run import least_samples
from restmcts.problems.registry import DATA_SETS, load_splits
from restmcts.problems.splits import held_out
from restmcts.recipe import Recipe
from restmcts.samples.trees import VerifiedTree, verified_trees
from store.files.atomic import replace_file, write_file, writing
from store.files.folders import MARKER, marked_files, new_folder
from store.files.layout import RunLayout


def check_own(root: Path, folder: Path) -> None:
    """Refuse a value model that is a checkpoint of a run: its files are those that the run wrote.

    Raises:
        InputError: it is one.
    """
    runs = RunLayout(root, "run").folder.parent
    if folder.resolve().is_relative_to(runs.resolve()):
        raise InputError(
            f"{folder}: is a checkpoint of a run, which fits these constants itself; copy the folder to fit"
            " others"
        )


def fit_on_run(root: Path, run: str, recipe: Recipe, folder: Path, *, unseen: bool) -> Fitted:
    """Fit the constants of the answer rules for the value model in ``folder`` on the trees of a run.

    Args:
        recipe: the recipe of the run.
        unseen: the value model has learned from no tree of the run, so that all of them count; else those of
            the held-out problems.

    Raises:
        InputError: the run has no trees of training problems, or the folder no value model.
        StoreError: the run cannot be read.
    """
    from restmcts.training.answers import fit_answers

    trees: list[VerifiedTree] = []
    for phase, _ in training_searches(root, run, None):
        records = (record for record in read_trees(root, run, phase) if record.result.reason != "failed")
        found = verified_trees(records, least_samples(recipe.bootstrap, phase))
        trees += (tree for tree in found if unseen or held_out(tree[0].header.problem))
    return fit_answers(
        folder,
        trees,
        {problem.id: problem for problem in load_splits(recipe.problems, recipe.seed).train},
        DATA_SETS[recipe.problems.data_set].right_step,
        aggregation=recipe.models.value_aggregation,
        max_length=recipe.value_training.max_length,
        device=recipe.models.device,
    )


def put_beside(folder: Path, recipe: Recipe, fitted: Fitted) -> None:
    """Write fitted constants beside a value model; the folder has the old ones or the new ones at any moment.

    Raises:
        StoreError: they cannot be written.
    """
    content = answer_file(fitted, recipe.models.value_aggregation)
    if marked_files(folder) is None:
        replace_file(folder / ANSWERS, [content])
        return
    with new_folder(folder) as whole, writing(folder):
        others = shutil.ignore_patterns(MARKER, ANSWERS)
        shutil.copytree(folder, whole, ignore=others, dirs_exist_ok=True)
        write_file(whole / ANSWERS, [content])
