"""The `restmcts` command: collects the commands and turns errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from restmcts import __version__
from restmcts.cli.commands import (
    compare,
    data,
    doctor,
    evaluate,
    export,
    iterate,
    label,
    methods,
    model,
    power,
    report,
    runs,
    search,
    show,
    store,
    study,
    train,
    trees,
    tui,
)
from restmcts.cli.commands.grade import app as grade
from restmcts.cli.output.text import complain
from restmcts.cli.signals import end_as_by_interrupt, exit_code, received
from restmcts.engines.cpu import collect_rarely, prepare_cpu
from restmcts.errors import RestmctsError
from restmcts.paths import text_of

app = typer.Typer(
    name="restmcts",
    help="ReST-MCTS*: LLM self-training by process-reward-guided tree search.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
"""What typer returns for Ctrl-C."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"restmcts {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """ReST-MCTS*: LLM self-training by process-reward-guided tree search."""
    if debug:
        os.environ["RESTMCTS_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command("iterate")(iterate.iterate)
app.command("study")(study.study)
app.command("search")(search.search)
app.command("eval")(evaluate.evaluate)
app.command("label")(label.label)
app.add_typer(grade.app, name="grade")
app.add_typer(data.app, name="data")
app.command("methods")(methods.methods)
app.add_typer(train.app, name="train")
app.add_typer(runs.app, name="runs")
app.command("show")(show.show)
app.command("trees")(trees.trees)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("power")(power.power)
app.add_typer(export.app, name="export")
app.add_typer(store.app, name="store")
app.add_typer(model.app, name="model")
app.command("doctor")(doctor.doctor)
app.command("tui")(tui.tui)


def main() -> None:
    """Run the command line; ends the process."""
    end_as_by_interrupt()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    prepare_cpu()
    collect_rarely()
    sys.exit(run())


def run() -> int:
    """Run the command line and return the exit code.

    It is 0, 1 for a failure, 2 for bad input, 3 if searches failed in work that is done, and 128 plus
    the number of a signal that ended the program (130 for Ctrl-C).
    """
    try:
        for word in (*sys.argv[1:], os.environ.get("RESTMCTS_ROOT", "")):
            text_of(word)
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED
    except TyperException as error:
        return _failed(f"error: {error.format_message()}", error.exit_code)
    except RestmctsError as error:
        return _failed(f"error: {error}", error.exit_code)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return 0
    except Exception as error:
        if received() is not None:
            return exit_code()  # the terminal is gone, for example
        return _failed(f"internal error: {type(error).__name__}: {error} (--debug shows more)", 1)
    if code == INTERRUPTED:
        if _speaks():
            complain("stopped; what is finished is stored, and the same command goes on from there")
        return exit_code()
    return code if isinstance(code, int) else 0


def _failed(text: str, code: int) -> int:
    if os.environ.get("RESTMCTS_DEBUG"):
        complain(traceback.format_exc().rstrip("\n"))
    if _speaks():
        complain(" ".join(text.split()))
    return code


def _speaks() -> bool:
    """Whether this process says how it ends: of those that train together, the one that ends first does."""
    if "RANK" not in os.environ:
        return True
    from restmcts.training.group import ends_first

    return ends_first()
