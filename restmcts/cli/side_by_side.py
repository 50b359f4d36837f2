"""Commands side by side, each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from restmcts.cli.output.text import complain, visible

LONGEST = 500
"""Characters of a line of another process that are shown."""


def run_side_by_side(commands: Mapping[str, Sequence[object]], jobs: int) -> dict[str, int]:
    """Run commands of restmcts, ``jobs`` at a time, and show what they say behind their names.

    What ends this process in order (Ctrl-C, SIGTERM) ends them in order too, and is raised when they have
    ended.

    Args:
        commands: the arguments of each command, by the name that stands before its lines.
        jobs: how many run at the same time.

    Returns:
        The exit code of each command.
    """
    running: dict[str, subprocess.Popen[str]] = {}
    ended = False

    def run(name: str) -> int:
        if ended:
            return -signal.SIGINT
        words = [sys.executable, "-m", "restmcts", *map(str, commands[name])]
        # In a session of its own a command is not interrupted by the terminal and by this process.
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        running[name] = process
        assert process.stderr is not None
        for line in process.stderr:
            complain(f"{name}: {visible(line.rstrip().removeprefix('note: '), LONGEST)}")
        return process.wait()

    with ThreadPoolExecutor(jobs) as pool:
        futures = {name: pool.submit(run, name) for name in commands}
        try:
            wait(futures.values())
        except KeyboardInterrupt:
            ended = True
            for process in list(running.values()):
                process.send_signal(signal.SIGTERM)
            raise
    return {name: future.result() for name, future in futures.items()}
