"""A run: what its phases work with, and how a phase is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restmcts.aggregations import Aggregation
from restmcts.engines.adapters import base_folder, is_adapter, name_base, read_adapter
from restmcts.engines.base import Sampling
from restmcts.engines.registry import ENGINES
from restmcts.errors import InputError
from restmcts.grading.registry import Grader
from restmcts.loops.results import AnyResult, from_summary, to_summary
from restmcts.problems.registry import DATA_SETS, DataSet
from restmcts.problems.splits import Splits
from restmcts.progress import Progress
from restmcts.recipe import BootstrapSettings, Recipe
from restmcts.registry import Registry
from restmcts.samples.trees import VerifiedTree, verified_trees
from restmcts.seeds import derive_seed
from restmcts.workers.base import Models, Workers
from restmcts.workers.local import open_workers
from store.files.journal import read_journal
from store.files.layout import RunLayout
from store.files.plain import leads_out
from store.records import PolicySample, PreferenceSample, ValueSample
from store.runs.sharing import take_over_phase
from store.runs.writer import RunWriter

if TYPE_CHECKING:
    from restmcts.loops.work.forecast import Preview

BOOTSTRAP = "0.search"
"""The phase of the unguided trees of the base policy."""

START = "start"
"""The role of the value model that was trained on solved examples, before any tree was learned from."""


def least_samples(bootstrap: BootstrapSettings, search: str) -> int:
    """How many samples have to give a correct trace of the phase ``search`` for it to count as correct."""
    return bootstrap.least_samples if search == BOOTSTRAP else 1


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is being made: its recipe, its problems, and where its results go.

    ``uses`` names the distributions that the run as a whole comes from, such as that of its loop, by kind and
    name; every phase notes them. ``retry_failed``: failed searches of phases that are done are run again, as
    long as nothing was learned from these phases. ``shared``: phases that other runs have done just as this
    one would, by name; they are taken over. ``preview``: asks before long work; None: nobody asks.
    """

    recipe: Recipe
    writer: RunWriter
    problems: Splits
    grader: Grader
    progress: Progress
    uses: Mapping[str, dict[str, str]] = field(default_factory=dict)
    retry_failed: bool = False
    shared: Mapping[str, RunLayout] = field(default_factory=dict)
    preview: Preview | None = None

    @property
    def data_set(self) -> DataSet:
        """The data set that the problems are from."""
        return DATA_SETS[self.recipe.problems.data_set]

    @property
    def iterations(self) -> range:
        """The numbers of the iterations, from 1."""
        return range(1, self.recipe.iterations + 1)

    def seed(self, *parts: str) -> int:
        """The seed of something in this run, 0 to 2**64 - 1."""
        return derive_seed(self.recipe.seed, *parts)

    def folder(self, name: str) -> Path:
        """The folder of a model by the name that results have for it.

        It is a checkpoint of the run, or a model that the recipe names.

        Raises:
            InputError: it is neither: the files of the run were written by something else. Or the model of
                the recipe is not the one that the run began with.
            StoreError: a link lies on the way to the checkpoint, or it is not what was written.
        """
        models, layout = self.recipe.models, self.writer.layout
        given = {models.policy_name: models.engine, models.value_name: models.valued_by}
        if name in given:
            if ENGINES[given[name]].local:
                self._note(Path(name))
            return Path(name)
        if leads_out(name):
            raise InputError(
                f"run {layout.run!r}: the model {name!r} is neither a checkpoint of the run nor a model of"
                " its recipe; see what `restmcts store check` says"
            )
        folder = layout.plain(layout.folder / name)
        self.writer.verify_checkpoint(name)
        if is_adapter(folder):
            self._follow_base(folder)
        return folder

    def _follow_base(self, folder: Path) -> None:
        """Check the base of an adapter as a model of its own: the recipe's policy, or a checkpoint."""
        models = self.recipe.models
        base = read_adapter(folder).base
        if base == models.policy_name and ENGINES[models.engine].local:
            name_base(folder, self.folder(base))
            return
        inside, here = base_folder(folder), self.writer.layout.folder.resolve()
        if inside.is_relative_to(here):
            self.folder(inside.relative_to(here).as_posix())

    def _note(self, folder: Path) -> None:
        """Note what a model of the recipe is, with the base of an adapter."""
        self.writer.note_input(folder)
        if is_adapter(folder):
            self.writer.note_input(base_folder(folder))

    def phase(
        self,
        name: str,
        kind: str,
        iteration: int,
        result: type[AnyResult],
        work: Callable[[str], AnyResult],
        *,
        searches: int | None = None,
    ) -> AnyResult:
        """Do ``work`` as the phase ``name`` of the run and store its result.

        A phase that is done is not done again: its stored result comes back. It goes on where searches are
        left, or where failed ones are to be run again. An error marks the phase as failed and goes to the
        caller.

        Args:
            name: the name of the phase; ``work`` gets it.
            kind: search, label, train or evaluate, for those who look at the run.
            iteration: the iteration that the phase belongs to.
            result: the type of the result.
            work: does the phase.
            searches: how many searches the phase has, where they may become more; None: they may not.

        Raises:
            InputError: it has more searches already.
        """
        again = self._goes_on(name, searches)
        if self.writer.phase_status(name) == "done" and not again:
            summary = self.writer.phase_summary(name)
        elif name in self.shared:
            summary = self._taken_over(name)
        else:
            self.writer.start_phase(name, kind, iteration, again=again)
            for plural, origins in self.uses.items():
                self.writer.note_uses(name, plural, origins)
            try:
                summary = to_summary(work(name))
            except Exception as error:
                self.writer.fail_phase(name, str(error))
                raise
            self.writer.finish_phase(name, summary)
        self.progress.finish(name, summary)
        return from_summary(result, name, summary)

    def _taken_over(self, name: str) -> dict[str, Any]:
        source = self.shared[name]
        self.progress.note(f"{name}: taken over from run {source.run!r}, which has done the same")
        take_over_phase(self.writer, source, read_journal(source), name)
        return self.writer.phase_summary(name)

    def _goes_on(self, name: str, searches: int | None) -> bool:
        """Whether a phase that is done has more to do."""
        if self.writer.phase_status(name) != "done":
            return False
        summary = self.writer.phase_summary(name)
        stored, failed = summary.get("trees") or 0, summary.get("failed") or 0
        if searches is not None and searches < stored:
            raise InputError(
                f"phase {name!r} of run {self.writer.layout.run!r} has {stored} searches, and {searches} are"
                " asked for: give at least as many problems as before (--limit), or another run"
            )
        if not (self.retry_failed and failed):
            return searches is not None and searches > stored
        learner = self._learner(name)
        if learner is not None:
            self.progress.note(
                f"{name}: {failed} failed searches stay as they are, since {learner} has used this phase;"
                " a new run searches them again"
            )
        return learner is None

    def _learner(self, name: str) -> str | None:
        """The first phase that something may have been learned in from the phase ``name``."""
        phases = self.writer.phases()
        place = [phase.name for phase in phases].index(name)
        if phases[place].kind == "evaluate":
            return None
        return next((phase.name for phase in phases[place + 1 :] if phase.kind != "evaluate"), None)

    def trees(self, *searches: str) -> Iterator[VerifiedTree]:
        """The trees of search phases that models learn from.

        Correct traces of the bootstrap count where ``bootstrap.least_samples`` samples gave them.
        """
        for search in searches:
            least = least_samples(self.recipe.bootstrap, search)
            yield from verified_trees(self.writer.read_trees(search), least)

    def policy_samples(self, phase: str) -> list[PolicySample]:
        """The policy samples that a phase has written."""
        return [row for row in self.writer.read_samples(phase) if isinstance(row, PolicySample)]

    def preference_samples(self, phase: str) -> list[PreferenceSample]:
        """The preference samples that a phase has written."""
        return [row for row in self.writer.read_samples(phase) if isinstance(row, PreferenceSample)]

    def value_samples(self, *phases: str) -> list[ValueSample]:
        """The value samples that phases have written."""
        rows = (row for phase in phases for row in self.writer.read_samples(phase))
        return [row for row in rows if isinstance(row, ValueSample)]

    def note_uses(self, phase: str, registry: Registry[Any], names: Iterable[str]) -> None:
        """Store which distributions the entries of a registry come from that a phase uses."""
        self.writer.note_uses(phase, registry.plural, registry.origins(names))

    def workers(
        self, models: Models, aggregation: Aggregation | None = None
    ) -> AbstractContextManager[Workers]:
        """What searches with these models; opened by ``with``.

        Args:
            models: the names of the models.
            aggregation: how the value of a partial solution follows from those of its steps; None: as the
                recipe says.
        """
        recipe = self.recipe
        wanted, settings = recipe.sampling, recipe.models
        if aggregation is not None:
            settings = settings.model_copy(update={"value_aggregation": aggregation})
        sampling = Sampling(wanted.temperature, wanted.top_p, wanted.step_tokens, wanted.trace_tokens)
        asked = (models, self.folder, settings, self.grader, sampling)
        if recipe.cluster.engine == "none":
            return open_workers(*asked, drop_repeats=wanted.drop_repeats, concurrency=recipe.concurrency)
        from restmcts.workers.cluster.ray_workers import open_ray_workers

        return open_ray_workers(
            *asked,
            drop_repeats=wanted.drop_repeats,
            concurrency=recipe.concurrency,
            grader_name=recipe.problems.grader,
            cluster=recipe.cluster,
            note=self.progress.note,
        )
