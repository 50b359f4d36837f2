"""`restmcts train`: train a policy or a value model on stored samples or preferences."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Override, Root

if TYPE_CHECKING:
    from restmcts.training.report import TrainingProgress, TrainingReport
    from restmcts.training.settings import ProcessSettings

app = typer.Typer(help="Train a policy or a value model on samples.")

Samples = Annotated[
    list[Path], typer.Argument(help="Files of samples, as in samples/ of a run or from restmcts export.")
]
Source = Annotated[Path, typer.Option("--from", help="Folder of the model to start from.")]
Target = Annotated[
    Path,
    typer.Option(
        "--to", help="Folder to write the checkpoint to: a new one, or an older checkpoint to replace."
    ),
]

Processes = Annotated[
    int, typer.Option("--processes", min=1, help="Processes that train together on this machine, one a GPU.")
]
Strategy = Annotated[
    str,
    typer.Option(
        "--strategy", help="How processes share the model: ddp (each holds it) or fsdp2 (each holds a share)."
    ),
]


@app.command("policy")
def policy(
    samples: Samples,
    source: Source,
    target: Target,
    processes: Processes = 1,
    strategy: Strategy = "ddp",
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a policy on traces, with the loss on the steps only.

    -o KEY=VALUE sets a key of [policy_training]. torchrun and accelerate launch can start the command too.
    """
    from restmcts.training.settings import PolicyTraining
    from store.records import PolicySample

    settings, rows = _prepared(PolicyTraining, PolicySample, samples, source, target, override)
    together = _together(processes, strategy)
    from restmcts.training.policy import train_policy

    train = partial(train_policy, source, rows, settings, target, resume=_state(target), processes=together)
    _run("train policy", train, together, target, as_json)


@app.command("value")
def value(
    samples: Samples,
    source: Source,
    target: Target,
    processes: Processes = 1,
    strategy: Strategy = "ddp",
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Train a value model on every labelled step; one problem in ten is held out.

    --from is a policy or a value model. The report is about the held-out problems. -o KEY=VALUE sets a key of
    [value_training]. torchrun and accelerate launch can start the command too.
    """
    from restmcts.problems.splits import held_out
    from restmcts.training.settings import ValueTraining
    from store.records import ValueSample

    settings, rows = _prepared(ValueTraining, ValueSample, samples, source, target, override)
    together = _together(processes, strategy)
    from restmcts.training.values.training import train_value

    train = partial(
        train_value,
        source,
        [row for row in rows if not held_out(row.problem)],
        settings,
        target,
        held_out=[row for row in rows if held_out(row.problem)],
        resume=_state(target),
        processes=together,
    )
    _run("train value", train, together, target, as_json)


@app.command("answers")
def answers(
    run: Annotated[str, typer.Argument(help="A run, whose trees of training problems are used.")],
    value: Annotated[Path, typer.Option("--value", help="Folder of the value model.")],
    unseen: Annotated[
        bool,
        typer.Option(
            "--unseen",
            help="The value model has learned from no tree of the run: use all trees, not held-out ones.",
        ),
    ] = False,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Fit the constants of the answer rules for a value model, and write them beside it (answers.json).

    Searches with the value model then use them. A run does this itself for each value model that it trains.
    """
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.text import say
    from restmcts.cli.received import check_files
    from restmcts.loops.stored.answers import check_own, fit_on_run, put_beside
    from restmcts.stored_recipes import stored_recipe
    from store.answering.constants import to_row

    check_own(root, value)
    recipe, _ = stored_recipe(root, run)
    check_files(root, run, recipe)
    fitted = fit_on_run(root, run, recipe, value, unseen=unseen)
    put_beside(value, recipe, fitted)
    if as_json:
        notes = list(fitted.notes)
        print_json({"constants": to_row(fitted.constants), "counts": fitted.counts, "notes": notes})
        return
    for name, shown in {**to_row(fitted.constants), **fitted.counts}.items():
        say(f"{name:<28} {shown}")
    for note in fitted.notes:
        say(f"keeps its default: {note}")


@app.command("preference")
def preference(
    samples: Samples, source: Source, target: Target, override: Override = None, as_json: AsJson = False
) -> None:
    """Train a policy on pairs of continuations, of which one is preferred (DPO or KTO).

    -o KEY=VALUE sets a key of [preference_training].
    """
    from restmcts.training.settings import PreferenceTraining
    from store.records import PreferenceSample

    settings, rows = _prepared(PreferenceTraining, PreferenceSample, samples, source, target, override)
    from restmcts.training.preference import train_preferences

    train = partial(train_preferences, source, rows, settings, target, resume=_state(target))
    _run("train preference", train, _together(1, "ddp"), target, as_json)


def _together(processes: int, strategy: str) -> ProcessSettings:
    from restmcts.settings import checked
    from restmcts.training.settings import ProcessSettings

    return checked(ProcessSettings, {"processes": processes, "strategy": strategy}, "--processes")


def _run(
    name: str, train: Callable[..., TrainingReport], together: ProcessSettings, target: Path, as_json: bool
) -> None:
    """Train with a bar, then report; of the processes that a launcher has started, one shows both."""
    from restmcts.training.group import Group

    group = Group.here(together)
    with Bar(name) if group.leads else nullcontext() as bar:
        report = train(progress=None if bar is None else bar.update)
    if group.leads:
        _report(report, target, as_json)
    group.leave()


def _state(target: Path) -> Path:
    """Where the state of the training is until it is done; the same command goes on from it."""
    return target.with_name(f"{target.name}.training")


def _prepared(
    kind: Any, row: type, files: list[Path], source: Path, target: Path, override: list[str] | None
) -> tuple[Any, list[Any]]:
    """The settings and the samples; these and the target are checked before torch is imported."""
    from restmcts.errors import InputError
    from restmcts.export.samples import read_samples
    from restmcts.recipe_text import nested_overrides
    from restmcts.settings import checked
    from store.files.folders import check_target
    from store.records import PolicySample, PreferenceSample

    check_target(target, source)
    check_target(_state(target))
    settings = checked(kind, nested_overrides(override or []), "-o")
    rows = [sample for file in files for sample in read_samples(file) if isinstance(sample, row)]
    if not rows:
        names = ", ".join(map(str, files))
        wanted = {PolicySample: "traces", PreferenceSample: "pairs of continuations"}
        raise InputError(f"{names}: no {wanted.get(row, 'labelled chains')} to train on")
    return settings, rows


class Bar:
    """The progress of one training."""

    def __init__(self, name: str) -> None:
        from restmcts.cli.output.console import open_progress

        self.name, self.progress, self.started = name, open_progress(), False

    def __enter__(self) -> Bar:
        self.progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.__exit__()

    def update(self, state: TrainingProgress) -> None:
        if not self.started:
            self.progress.start(self.name, "train", state.total)
            self.started = True
        figures = {"loss": state.loss, "tokens a second": state.tokens_per_second}
        self.progress.update(state.step, figures)


def _report(report: TrainingReport, target: Path, as_json: bool) -> None:
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.text import say

    figures = {
        "checkpoint": str(target),
        "updates": report.updates,
        "samples": report.samples,
        "skipped": dict(report.skipped),
        "first_loss": report.first_loss,
        "last_loss": report.last_loss,
        "seconds": round(report.seconds, 1),
        **report.metrics,
    }
    if as_json:
        print_json(figures)
        return
    for name, shown in figures.items():
        say(f"{name:<28} {shown}")
