"""Lets parts of a search on a Ray cluster die at random moments, and looks whether any search is lost.

    python -m benchmarks.cluster_faults             # all of these
    python -m benchmarks.cluster_faults worker      # kill -9 of a worker
    python -m benchmarks.cluster_faults node        # a node goes, in turns its raylet alone and all at once
    python -m benchmarks.cluster_faults head        # kill -9 of the command, which is started again at once
    python -m benchmarks.cluster_faults interrupt   # Ctrl-C of the command, which is started again

The cluster has two nodes of one core on this machine. A search with engines that need no torch has one worker
on each. The moment is drawn from the time that a command takes that nobody disturbs; where there is nothing
to die at that moment, another one is drawn. The run is to end like one in a single process, each search is to
be stored once, the store is to be sound, and no process of the command, of a worker or of a node that is gone
may be left. At the end the cluster is shut down, and no process of it may be left.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import psutil

from tests.cli.commands import COMMAND, heed_signals
from tests.support.stores import contents, problems_of

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "tests" / "workers" / "scripted_engine.py"
KINDS = ("worker", "node", "head", "interrupt")
SEARCHES = 24
RUN = "r"
MARK, NODE = "RESTMCTS_MARK", "RESTMCTS_NODE"
"""Variables by which the processes of this program and those of a node are known."""

MEMORY = 80 * 2**20
COMMAND_SECONDS = 240.0
"""A command that takes longer hangs."""

END_SECONDS = 60.0
"""How long processes may take to end. Helpers of Ray look for a head that is gone for a minute."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; without a code where it had to be stopped."""

    code: int | None
    errors: str

    @property
    def last(self) -> str:
        """The last line that it told."""
        return self.errors.strip().split("\n")[-1]


class Nodes:
    """A cluster of this machine with a head without cores and two nodes with one each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._numbers: dict[Any, str] = {}
        head = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            self.add()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self) -> None:
        """One more node, whose processes have its number in their environment."""
        number = os.environ[NODE] = uuid4().hex
        try:
            self._numbers[self._cluster.add_node(num_cpus=1, object_store_memory=MEMORY)] = number
        finally:
            del os.environ[NODE]

    def remove(self, chance: Random, *, at_once: bool) -> str:
        """Kill the raylet of a node, or all its processes at once; returns the number of the node."""
        node = chance.choice(list(self._numbers))
        number = self._numbers.pop(node)
        if at_once:
            kill(marked(NODE, number))
        self._cluster.remove_node(node, allow_graceful=False)
        return number

    def close(self) -> None:
        self._cluster.shutdown()


def marked(variable: str, value: str, *words: str) -> list[psutil.Process]:
    """The processes with a variable in their environment, and with one of the words in their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if process.environ().get(variable) == value and any(word in line for word in words or ("",)):
                found.append(process)
    return found


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def left(look: Callable[[], list[psutil.Process]]) -> list[str]:
    """The names of the processes that do not end."""
    until = time.monotonic() + END_SECONDS
    while found := look():
        _, alive = psutil.wait_procs(found, timeout=max(0.0, until - time.monotonic()))
        if alive:
            return sorted(process.name() for process in alive)
    return []


def start(root: Path, problems: Path, address: str | None) -> subprocess.Popen[str]:
    """Start the search, or go on with it, on a cluster or in one process."""
    settings = [
        f"plugins={ENGINE}",
        "models.engine=scripted",
        "models.settings.scripted.seconds=0.03",
        "generation.settings.rounds=6",
        "concurrency=2",
        "sampling.step_tokens=8",
        "sampling.trace_tokens=30",
    ]
    if address is not None:
        settings += ["cluster.engine=ray", f"cluster.address={address}", "cluster.workers=2"]
        settings += ["cluster.grace=60"]
    words = ["search", "--policy", "writer", "--value", "judge", "--problems", str(problems)]
    words += ["--root", str(root), "--run", RUN]
    for setting in settings:
        words += ["-o", setting]
    return subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command, and stop one that hangs."""
    try:
        errors = process.communicate(timeout=COMMAND_SECONDS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return Ended(None, process.communicate()[1] + f"\nno end within {COMMAND_SECONDS:g} s")
    return Ended(process.returncode, errors)


def stored(root: Path) -> Counter[str]:
    """How often each search is stored."""
    path = root / "runs" / RUN / "trees" / "search.jsonl"
    lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    return Counter(str(json.loads(line)["header"]["id"]) for line in lines)


def miscounted(found: Counter[str], wanted: int = SEARCHES) -> list[str]:
    """Which searches are lost, and which doubled."""
    lost = [f"search/{number}" for number in range(wanted) if f"search/{number}" not in found]
    doubled = [name for name, count in sorted(found.items()) if count > 1]
    wrong = [f"lost: {', '.join(lost)}"] if lost else []
    return wrong + ([f"doubled: {', '.join(doubled)}"] if doubled else [])


class Campaign:
    """Commands on a cluster, in each of which something dies.

    Args:
        folder: a folder for stores.
        kind: what dies.
        chance: draws the moments and the victims.
    """

    def __init__(self, folder: Path, kind: str, chance: Random) -> None:
        self._folder = folder
        self._kind = kind
        self._chance = chance
        self._mark = os.environ[MARK] = uuid4().hex
        self._problems = folder / "problems.jsonl"
        rows = [json.dumps({"problem": f"q{number}", "answer": "1"}) for number in range(SEARCHES)]
        self._problems.write_text("\n".join(rows) + "\n", "utf-8")
        calm = finish(start(folder / "calm", self._problems, None))
        if calm.code != 0:
            sys.exit(f"the undisturbed run failed: {calm.last}")
        self._expected = contents(folder / "calm", RUN)

    def trials(self, moments: int) -> Iterator[tuple[str, str]]:
        """What came of each moment: in which part of the command it was, and what went wrong."""
        with self._nodes() as nodes:
            seconds = self._undisturbed(nodes)
            done = 0
            for number in range(5 * moments):
                root = self._folder / f"{number}"
                moment = self._chance.uniform(0.0, seconds)
                if (found := self._trial(nodes, root, moment, done)) is not None:
                    done += 1
                    yield found
                if done == moments:
                    break
            else:
                yield "drawn again", f"only {done} moments had something to die"
        processes = left(lambda: marked(MARK, self._mark))
        yield "the cluster was shut down", f"left: {', '.join(processes)}" if processes else ""

    @contextmanager
    def _nodes(self) -> Iterator[Nodes]:
        nodes = Nodes()
        try:
            yield nodes
        finally:
            nodes.close()

    def _undisturbed(self, nodes: Nodes) -> float:
        """How long a command on the cluster takes, in seconds."""
        began = time.monotonic()
        ended = finish(start(self._folder / "undisturbed", self._problems, nodes.address))
        seconds = time.monotonic() - began
        if wrong := self._judged(self._folder / "undisturbed", ended) + self._workers_left():
            sys.exit(f"the undisturbed run on the cluster failed: {'; '.join(wrong)}")
        print(f"undisturbed: {seconds:.1f} s, {SEARCHES} searches", flush=True)
        return seconds

    def _trial(self, nodes: Nodes, root: Path, moment: float, number: int) -> tuple[str, str] | None:
        """One command of which something dies; None where nothing was there to die."""
        process = start(root, self._problems, nodes.address)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=moment)
        count = len(stored(root))
        gone = self._strike(nodes, process, number) if process.poll() is None else None
        ended = finish(process)
        if gone is None:
            if wrong := self._workers_left():
                sys.exit(f"a run that nobody disturbed has processes {'; '.join(wrong)}")
            return None
        wrong, outcome = [], ""
        if self._kind == "interrupt":
            wrong += [] if ended.code == 130 else [f"exit code {ended.code} after Ctrl-C: {ended.last}"]
            wrong += self._workers_left()
        if gone:
            nodes.add()
        if self._kind == "node" and ended.code == 2:
            outcome = f"refused ({ended.last}), started again: "
        if self._kind in ("head", "interrupt") or outcome:
            ended = finish(start(root, self._problems, nodes.address))
        wrong += self._judged(root, ended) + self._workers_left()
        if gone and (processes := left(lambda: marked(NODE, gone))):
            wrong.append(f"left on the node: {', '.join(processes)}")
        print(
            f"{self._kind:10}{moment:6.1f} s, {count:2} stored: {outcome}{'; '.join(wrong) or 'equal'}",
            flush=True,
        )
        return _part(count), "; ".join(wrong)

    def _strike(self, nodes: Nodes, process: subprocess.Popen[str], number: int) -> str | None:
        """Let something die; the number of the node, where one went; None where there is nothing to die."""
        if self._kind == "node":
            return nodes.remove(self._chance, at_once=number % 2 == 1)
        if self._kind == "worker":
            workers = marked(MARK, self._mark, "SearchWorker")
            kill(self._chance.sample(workers, min(1, len(workers))))
            return "" if workers else None
        process.send_signal(signal.SIGKILL if self._kind == "head" else signal.SIGINT)
        return ""

    def _judged(self, root: Path, ended: Ended) -> list[str]:
        """What is wrong with a run that has come to its end."""
        wrong = [] if ended.code == 0 else [f"exit code {ended.code}: {ended.last}"]
        return wrong + miscounted(stored(root)) + problems_of(root, self._expected, RUN)

    def _workers_left(self) -> list[str]:
        processes = left(lambda: marked(MARK, self._mark, "SearchWorker", "restmcts.cli"))
        return [f"left: {', '.join(processes)}"] if processes else []


def _part(count: int) -> str:
    if count == 0:
        return "before the first search was stored"
    return "between searches" if count < SEARCHES else "after the last search was stored"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=KINDS, help="what dies; none: each of them in turn")
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    seen: Counter[str] = Counter()
    failed = 0
    for kind in [options.kind] if options.kind else KINDS:
        with tempfile.TemporaryDirectory() as folder:
            campaign = Campaign(Path(folder), kind, Random(f"{options.seed} {kind}"))
            for part, wrong in campaign.trials(options.moments):
                seen[f"{kind}: {part}"] += 1
                failed += bool(wrong)
                if wrong:
                    print(f"{kind}: {part}: {wrong}", flush=True)
    for part, count in sorted(seen.items()):
        print(f"{count:6}  {part}")
    print(f"{failed:6}  went wrong")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
