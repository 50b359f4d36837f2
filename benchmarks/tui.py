"""How fast the screens are: the first list of a large store, and a step in the replay of a large tree.

Run from the repository as ``python -m benchmarks.tui``; prints milliseconds. Aims: the first rows of
20,000 trees in less than a second after the process started, a step of a tree of 2,000 nodes in less
than 33 ms (p99).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from store.events import (
    BackedUp,
    Cost,
    Event,
    Expanded,
    Header,
    Result,
    RolledOut,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    Valued,
)
from store.index.reader import StoreReader
from store.runs.writer import RunWriter
from store.tree import Tree

REPOSITORY = Path(__file__).parents[1]
RUN = "large"
PHASE = "1.search"
SETTINGS = {"exploration": 0.4, "unvisited_bonus": 0.8}


def grow(tree: Tree, events: list[Event], chance: random.Random) -> None:
    """One round at a random leaf: select, expand into three, value, roll out, back up."""
    leaves = [node for node in tree.nodes if not node.children and node.depth < 30]
    leaf = chance.choice(leaves)
    size = len(tree.nodes)
    steps = tuple(Step(f"Step {size + i}: " + "so we carry on " * 8, (1, 2, 3), -2.0) for i in range(3))
    values = tuple(round(chance.random(), 3) for _ in steps)
    above = list(tree.ancestors(leaf.id))
    round_events: tuple[Event, ...] = (
        Selected(leaf.id),
        Expanded(leaf.id, steps, (1, 1, 1), Cost(policy=60)),
        Valued((size, size + 1, size + 2), values, Cost(value=300)),
        RolledOut(size, steps[:1], (0.5,), 0.5, (values[0] + 0.5) / 2, 1, Cost(policy=20)),
        BackedUp(
            tuple(node.id for node in above),
            tuple(node.visits + 1 for node in above),
            tuple(round(chance.random(), 3) for _ in above),
        ),
    )
    for event in round_events:
        tree.apply(event)
        events.append(event)


def search(number: int, rounds: int) -> SearchRecord:
    """A search of ``1 + 3 * rounds`` nodes."""
    chance, tree = random.Random(number), Tree()
    events: list[Event] = []
    for _ in range(rounds):
        grow(tree, events, chance)
    events.append(Stopped("rounds"))
    header = Header(
        f"{PHASE}/{number}", PHASE, f"problem-{number}", f"What is {number} plus {number}?", "42", "mcts",
        "best-value", number, "policy", "value", None, SETTINGS,
    )  # fmt: skip
    answer = "42" if number % 3 else "41"
    result = Result(answer, answer == "42", "rounds", tree.cost, len(tree.nodes), 0, 1.0)
    return SearchRecord(header, tuple(events), result)


def write_store(root: Path, trees: int, nodes: int) -> None:
    """A run of ``trees`` small searches; number 0 has about ``nodes`` nodes."""
    with RunWriter.create_or_open(root, RUN, config='recipe = "benchmark"\n', environment={}) as writer:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(search(0, nodes // 3))
        for number in range(1, trees):
            writer.add_tree(search(number, 3))
        writer.finish_phase(PHASE, {})


def milliseconds(since: float) -> float:
    return 1000 * (time.perf_counter() - since)


async def first_paint(root: Path) -> None:
    """Open the list of trees; return when a frame with its rows has been drawn."""
    from tui.app import StoreApp
    from tui.widgets.table import RowTable

    with StoreReader(root) as reader:
        app = StoreApp(reader, RUN)
        async with app.run_test(size=(120, 40)) as pilot:
            while not app.screen.query("#trees") or not app.screen.query_one("#trees", RowTable).row_count:
                await asyncio.sleep(0.001)
            await drawn(app.screen)
            assert pilot.app is app
            # Seconds since the boot, the clock that the parent took the start from.
            print(time.clock_gettime(time.CLOCK_MONOTONIC))


async def drawn(screen: object) -> None:
    """Wait until the screen has nothing left to draw."""
    done = asyncio.Event()
    screen.call_after_refresh(done.set)  # type: ignore[attr-defined]
    await done.wait()


async def step_times(root: Path) -> list[float]:
    """Milliseconds from each key to the drawn frame: forward over every event, then back over every one."""
    from tui.app import StoreApp
    from tui.screens.replay import ReplayScreen

    times = []
    with StoreReader(root) as reader:
        app = StoreApp(reader, RUN, f"{PHASE}/0")
        async with app.run_test(size=(120, 40)):
            while not isinstance(app.screen, ReplayScreen) or app.screen.player is None:
                await asyncio.sleep(0.001)
            screen, player = app.screen, app.screen.player
            screen.action_start()
            await drawn(screen)
            for direction in (1, -1):
                for _ in range(player.length):
                    start = time.perf_counter()
                    screen.action_step(direction)
                    await drawn(screen)
                    times.append(milliseconds(start))
    return times


def paint_time(root: Path) -> float:
    """Milliseconds from the start of a new process to its first frame with rows."""
    start = time.clock_gettime(time.CLOCK_MONOTONIC)
    command = [sys.executable, "-m", "benchmarks.tui", "--paint", str(root)]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return 1000 * (float(done.stdout) - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=20_000)
    parser.add_argument("--nodes", type=int, default=2_000)
    parser.add_argument("--paint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.paint is not None:
        asyncio.run(first_paint(options.paint))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        start = time.perf_counter()
        write_store(root, options.trees, options.nodes)
        print(f"wrote {options.trees:,} trees in {milliseconds(start) / 1000:.1f} s")
        paints = sorted(paint_time(root) for _ in range(5))
        print(f"process start to first rows: median {paints[2]:.0f} ms ({paints[0]:.0f} to {paints[4]:.0f})")
        times = asyncio.run(step_times(root))
        cuts = statistics.quantiles(times, n=100)
        worst = max(times)
        print(f"{len(times):,} steps: median {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, worst {worst:.1f} ms")


if __name__ == "__main__":
    main()
