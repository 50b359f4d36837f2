"""Opens a run to work in: its writer, grader and progress, closed again whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from restmcts.cli.console import open_progress
from restmcts.engines.examination import examine
from restmcts.engines.registry import ENGINES
from restmcts.errors import InputError
from restmcts.grading.registry import GRADERS
from restmcts.loops.run import Run
from restmcts.problems.splits import Splits
from restmcts.recipe import Recipe
from restmcts.stored_recipes import config_text
from restmcts.tools.environment import environment
from store.writer import RunWriter


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
) -> Iterator[Run]:
    """A run that is new or goes on.

    Args:
        config: the text of its ``run.toml`` where it exists already and ``recipe`` was read from it.
        files: the files that the problems were read from; those that the run began with hold the same still.
        uses: the distributions that the run as a whole comes from, by kind and name.
        retry_failed: run failed searches of phases that are done again.
        extendable: the recipe may take more test problems than the run was started with.

    Raises:
        InputError: the run was started with another recipe or with other problems, or a model folder is
            missing.
        StoreError: another process writes it, or the store cannot be written.
    """
    _check_folders(recipe)
    text = config_text(root, run, recipe, extendable=extendable) if config is None else config
    about = environment(recipe.seed)
    with (
        open_progress() as progress,
        RunWriter.create_or_open(root, run, config=text, environment=about, note=progress.note) as writer,
        GRADERS[recipe.problems.grader].open() as grader,
    ):
        for path in files:
            writer.note_input(path)
        yield Run(recipe, writer, problems, grader, progress, uses or {}, retry_failed)


def _check_folders(recipe: Recipe) -> None:
    """Refuse model folders that are missing or cannot be used, before a run is made with their names."""
    models = recipe.models
    for folder, engine in ((models.policy, models.engine), (models.value, models.valued_by)):
        if folder is None or not ENGINES[engine].local:
            continue
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder; give the folder of a Hugging Face model")
        examine(Path(folder))
