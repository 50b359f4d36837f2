"""How a command ends: hints for what to type next, and the exit code for failed searches."""

from __future__ import annotations

import shlex

import typer

from restmcts.cli.output.text import complain

FAILED_SEARCHES = 3
"""The exit code of a command that did all its work, but some of the searches failed."""


def command(*words: object) -> str:
    """A command of restmcts that can be pasted into a shell."""
    return shlex.join(["restmcts", *map(str, words)])


def end(failed: int) -> None:
    """End a command that has printed its results; with exit code 3 if searches failed.

    Args:
        failed: how many searches failed.
    """
    if failed:
        complain(f"{failed} searches failed; the same command with --retry-failed runs them again")
        raise typer.Exit(FAILED_SEARCHES)
