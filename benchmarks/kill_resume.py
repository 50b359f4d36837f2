"""Kills a run again and again, and compares how it ends with a run that nobody disturbed.

    python -m benchmarks.kill_resume                            # a recipe of seconds, 20 kills
    python -m benchmarks.kill_resume tiny --kills 20 --runs 1   # one run of the built-in recipe

Each of ``--runs`` runs is killed (SIGKILL, at a random moment of its progress) and started again, until its
share of ``--kills`` is spent; then it is let to its end. Everything that it stored, apart from times, is to
be equal to the undisturbed run; the store is to be sound, and an index made anew equal to the one that grew.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.support.stores import contents, problems_of

SMALL = Path(__file__).parents[1] / "tests" / "cli" / "small.toml"
COMMAND = (sys.executable, "-c", "from restmcts.cli import main; main()")


def iterate(recipe: str, root: Path) -> subprocess.Popen[str]:
    """Start the run, or go on with it, in a process of its own."""
    arguments = (*COMMAND, "iterate", recipe, "--root", str(root), "--run", "run", "--json")
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(recipe: str, root: Path) -> float:
    """Let the run come to its end; returns the seconds that it took."""
    started = time.perf_counter()
    process = iterate(recipe, root)
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"the run ended with exit code {process.returncode}: {errors.strip()[-500:]}")
    return time.perf_counter() - started


def kill_at(recipe: str, root: Path, size: float, pause: float) -> str:
    """Kill the run ``pause`` seconds after it has stored ``size`` bytes; returns the phase it was in."""
    process = iterate(recipe, root)
    while process.poll() is None and stored(root) < size:
        time.sleep(0.002)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=pause)
        if process.returncode:
            sys.exit(f"a resumed run ended with exit code {process.returncode}")
        return "the end"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return open_phase(root / "runs" / "run" / "phases.jsonl")


def stored(root: Path) -> int:
    """How far a run is, whatever else the machine has to do: the bytes of its files of lines."""
    total = 0
    for path in root.rglob("*.jsonl"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def open_phase(journal: Path) -> str:
    """The phase that was started last and has not ended."""
    if not journal.exists():
        return "the start"
    lines = journal.read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    rows = [row for row in rows if row["event"] in ("started", "done", "failed")]
    return str(rows[-1]["phase"]) if rows and rows[-1]["event"] == "started" else "between phases"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default=str(SMALL))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder) / "calm"
        seconds = finish(options.recipe, calm)
        expected, size = contents(calm), stored(calm)
        print(f"undisturbed: {seconds:.1f} s, {len(expected)} files")
        for number in range(options.runs):
            root = Path(folder) / f"run-{number}"
            share = len(range(number, options.kills, options.runs))
            moments = sorted(random.uniform(number, number + 1) / options.runs for _ in range(share))
            places = [
                kill_at(options.recipe, root, moment * size, random.uniform(0, 0.02) * seconds)
                for moment in moments
            ]
            finish(options.recipe, root)
            wrong = problems_of(root, expected)
            failed += bool(wrong)
            print(f"run {number}: killed in {', '.join(places)}: {'; '.join(wrong) or 'equal'}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
