"""Commands in processes that are forked from one that has imported the slow libraries already.

Each is a process of its own, with its own output and exit code, as if it had been started anew; what it
shares with the others are imports and the seed of hashes. That saves three seconds a command.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest.mock import patch

PRELOADED = [
    "torch",
    "transformers",
    "restmcts.cli.app",
    "restmcts.engines.transformers",
    "restmcts.loops.rest_mcts",
    "restmcts.training.policy",
    "restmcts.training.values",
]


@cache
def _server(environment: tuple[tuple[str, str], ...]) -> ForkServerContext:
    """The process to fork from, which has read an environment: threads are set when torch is imported."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with patch.dict(os.environ, dict(environment), clear=True):
        forkserver.ensure_running()
    return context


def run_warm(
    arguments: Sequence[str], environment: Mapping[str, str], seconds: float = 600
) -> tuple[int, str, str]:
    """Run `restmcts` with these arguments; returns its exit code, its output and its errors."""
    context = _server(tuple(sorted(environment.items())))
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = context.Process(
            target=_command, args=(arguments, dict(environment), Path.cwd(), str(output), str(errors))
        )
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode is not None
        return process.exitcode, output.read_text(), errors.read_text()


def _command(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, output: str, errors: str
) -> None:
    from restmcts.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, output, os.O_WRONLY | os.O_CREAT),
        (2, errors, os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(name, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    sys.argv = ["restmcts", *arguments]
    main()
