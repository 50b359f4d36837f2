"""Opens a run to work in: its writer, grader and progress, closed again whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from restmcts.cli.output.console import open_progress
from restmcts.cli.question import Question
from restmcts.cli.watched import watched
from restmcts.engines.examination import examine
from restmcts.engines.registry import ENGINES
from restmcts.errors import InputError
from restmcts.grading.registry import GRADERS
from restmcts.loops.checks import check_loop, check_problems
from restmcts.loops.registry import LOOPS
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.loops.stored.overridden import stale
from restmcts.loops.work.forecast import Preview
from restmcts.problems.registry import load_splits, problem_files
from restmcts.problems.splits import Splits
from restmcts.recipe import Recipe
from restmcts.stored_recipes import config_text
from restmcts.tools.environment import environment
from store.files.layout import RunLayout
from store.records import Evaluation
from store.runs.reading import read_evaluations
from store.runs.writer import RunWriter


@contextmanager
def open_run(
    root: Path,
    run: str,
    recipe: Recipe,
    problems: Splits,
    *,
    config: str | None = None,
    uses: Mapping[str, dict[str, str]] | None = None,
    files: Sequence[Path] = (),
    retry_failed: bool = False,
    extendable: bool = False,
    shared: Mapping[str, RunLayout] | None = None,
    yes: bool | None = None,
    whole_loop: bool = False,
) -> Iterator[Run]:
    """A run that is new or goes on.

    Args:
        config: the text of its ``run.toml`` where it exists already and ``recipe`` was read from it.
        files: the files that the problems were read from, and plug-ins; those that the run began with hold
            the same still.
        uses: the distributions that the run as a whole comes from, by kind and name.
        retry_failed: run failed searches of phases that are done again.
        extendable: the recipe may take more test problems than the run was started with.
        shared: phases that other runs have done just as this one would, by name.
        yes: long work need not be asked for; None: and it is not told either.
        whole_loop: all phases that the recipe plans are made.

    Raises:
        InputError: the run was started with another recipe or with other problems, or a model folder is
            missing.
        StoreError: another process writes it, the store cannot be written, or a file of it is damaged.
    """
    _check_folders(recipe)
    text = config_text(root, run, recipe, extendable=extendable) if config is None else config
    about = environment(recipe.seed)
    with (
        open_progress() as progress,
        RunWriter.create_or_open(root, run, config=text, environment=about, note=progress.note) as writer,
        watched(progress, writer.layout) as told,
        GRADERS[recipe.problems.grader].open() as grader,
    ):
        for line in problems.notes:
            progress.note(line)
        for path in files:
            writer.note_input(path)
        said = stale(run, writer.phases(), writer.overrides)
        if said is not None:
            progress.note(said)
        preview = None if yes is None else Preview(Question(progress, yes), whole_loop)
        yield Run(recipe, writer, problems, grader, told, uses or {}, retry_failed, shared or {}, preview)


@dataclass(frozen=True, slots=True)
class LoopOutcome:
    """What a loop came to: its closing evaluation, all its measurements, and how many searches failed."""

    closing: Evaluated | None
    evaluations: list[Evaluation]
    failed: int


def run_loop(
    root: Path,
    name: str,
    recipe: Recipe,
    *,
    retry_failed: bool = False,
    shared: Mapping[str, RunLayout] | None = None,
    yes: bool | None = None,
) -> LoopOutcome:
    """Run the loop that a recipe names as the run ``name``, or go on with it; ``yes`` as in :func:`open_run`.

    Raises:
        InputError: the recipe, a model or the problems do not fit the loop; and see :func:`open_run`.
        RestmctsError: a phase failed; the run can be started again.
    """
    own = check_loop(recipe)
    loop = LOOPS[recipe.loop]
    for training in recipe.trainings:
        training.check_trackers()
    splits = load_splits(recipe.problems, recipe.seed)
    check_problems(splits)
    uses = {LOOPS.plural: LOOPS.origins([recipe.loop])}
    files = [*problem_files(recipe.problems), *map(Path, recipe.plugins)]
    with open_run(
        root,
        name,
        recipe,
        splits,
        uses=uses,
        files=files,
        retry_failed=retry_failed,
        shared=shared,
        yes=yes,
        whole_loop=True,
    ) as run:
        closing = loop.run(run, own)
        run.writer.finish_run()
        failed = sum(phase.summary.get("failed") or 0 for phase in run.writer.phases())
        return LoopOutcome(closing, read_evaluations(run.writer.layout), failed)


def _check_folders(recipe: Recipe) -> None:
    """Refuse model folders that are missing or cannot be used, before a run is made with their names."""
    models = recipe.models
    for folder, engine in ((models.policy, models.engine), (models.value, models.valued_by)):
        if folder is None or not ENGINES[engine].local:
            continue
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder; give the folder of a Hugging Face model")
        examine(Path(folder))
