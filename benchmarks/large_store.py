"""How fast a store of many trees answers what screens ask.

Run from the repository as ``python -m benchmarks.large_store --trees 200000``; prints milliseconds, the best
of three. ``--root`` keeps the store, so that the next call needs not write it again. Aims: a page of trees in
less than 60 ms, any filter in less than 300 ms, two methods compared in less than 500 ms.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from store.events import (
    Cost,
    Critiqued,
    Event,
    Expanded,
    Header,
    Result,
    SearchRecord,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.index.reader import StoreReader
from store.index.rebuild import rebuild_index
from store.queries import Range, Side, TreeFilter, TreeKind
from store.runs.writer import RunWriter
from store.tree import Tree

RUN = "large"
PHASES = ("1.search", "1.evaluate", "2.search", "2.evaluate")
METHODS = ("mcts", "best-of-n", "beam", "self-consistency")
TEXT = (
    "we add the apples and carry one so that total is multiply both sides by divide remaining cost of each"
    " hour minutes speed distance therefore answer sum product half twice number"
)
WORDS = TEXT.split()
KINDS: tuple[TreeKind, ...] = (
    "unsolved", "never-found", "preferred-wrong", "lost", "lucky", "disagree", "idle", "failed",
)  # fmt: skip


def step(chance: random.Random) -> Step:
    words = " ".join(chance.choice(WORDS) for _ in range(7))
    return Step(f"{words} {chance.randrange(10**4)}\n", tuple(range(12)), -3.0)


def search(phase: str, number: int, problem: int, method: str, chance: random.Random) -> SearchRecord:
    """A search of ten nodes: two levels of three steps and three solutions."""
    tree, events = Tree(), list[Event]()
    solutions: list[int] = []
    for node in (0, 1, 4):
        size = len(tree.nodes)
        added = tuple(range(size, size + 3))
        steps = tuple(step(chance) for _ in added)
        values = tuple(round(chance.random(), 4) for _ in added)
        new: list[Event] = [
            Expanded(node, steps, (1, 1, 1), Cost(policy=36, prompt=80, calls=3)),
            Valued(added, values, Cost(value=300, calls=1)),
        ]
        if node == 4:
            new += [Critiqued(leaf, True, str(chance.randrange(3))) for leaf in added]
            solutions += added
        for event in new:
            tree.apply(event)
        events += new
    best = max(solutions, key=lambda node: tree.nodes[node].value)
    verdicts = tuple(tree.nodes[node].answer == "0" for node in solutions)
    answer = tree.nodes[best].answer
    events += [Verified(tuple(solutions), verdicts), Stopped("budget", best, answer)]
    header = Header(
        f"{phase}/{number}", phase, f"problem-{problem:06}", f"What is {problem} plus {WORDS[problem % 20]}?",
        "0", method, "best-value", number, "base", "value", 400, {"branch": 3},
    )  # fmt: skip
    result = Result(answer, answer == "0", "budget", tree.cost, len(tree.nodes), 3, chance.random())
    return SearchRecord(header, tuple(events), result)


def write_store(root: Path, trees: int) -> float:
    """Write the store; return the seconds that it took."""
    chance, began = random.Random(1), time.perf_counter()
    with RunWriter.create_or_open(root, RUN, config='recipe = "benchmark"\n', environment={}) as writer:
        for iteration, phase in enumerate(PHASES, 1):
            writer.start_phase(phase, "search", iteration)
            for number in range(trees // len(PHASES)):
                problem, method = divmod(number, len(METHODS))
                writer.add_tree(search(phase, number, problem, METHODS[method], chance))
            if phase.endswith("search"):
                names = (f"{phase}/{number}" for number in range(trees // len(PHASES)))
                writer.write_labels(phase, "rest-mcts", ((name, labels(chance)) for name in names))
            writer.finish_phase(phase, {})
    return time.perf_counter() - began


def labels(chance: random.Random) -> tuple[float | None, ...]:
    return (None, *(round(chance.random(), 4) for _ in range(9)))


def questions(reader: StoreReader) -> dict[str, Callable[[], object]]:
    """What screens ask, by name."""
    everything = TreeFilter(RUN)
    one, two = (Side(RUN, "2.evaluate", method) for method in ("mcts", "best-of-n"))

    def filtered(wanted: TreeFilter) -> Callable[[], object]:
        return lambda: reader.counted_trees(wanted)

    total = reader.count_trees(everything)
    found: dict[str, Callable[[], object]] = {
        "runs": reader.runs,
        "phases": lambda: reader.phases(RUN),
        "pulse": reader.pulse,
        "page": lambda: reader.trees(everything),
        "last page": lambda: reader.trees(everything, offset=total - 200),
        "sorted by depth, descending": lambda: reader.trees(everything, order_by="depth", descending=True),
        "sorted by problem, last page": lambda: reader.trees(
            everything, order_by="problem", offset=total - 200
        ),
        "one phase and method": filtered(TreeFilter(RUN, phases=("2.evaluate",), methods=("mcts",))),
        "text, all": filtered(TreeFilter(RUN, text="What")),
        "text, some": filtered(TreeFilter(RUN, text="problem-0012")),
        "text, none": filtered(TreeFilter(RUN, text="zebra")),
        "steps, all": filtered(TreeFilter(RUN, step_text="apples")),
        "steps, some": filtered(TreeFilter(RUN, step_text="apples carry")),
        "steps, half, wrong": filtered(TreeFilter(RUN, step_text="apples", solved=False)),
        "steps, all, by tokens": lambda: reader.counted_trees(
            TreeFilter(RUN, step_text="apples"), order_by="tokens"
        ),
        "steps, rare": filtered(TreeFilter(RUN, step_text="hour 4711")),
        "steps, none": filtered(TreeFilter(RUN, step_text="zebra")),
        "range": filtered(TreeFilter(RUN, ranges=(Range("tokens", 50), Range("right", 1, 2)))),
        "histogram": lambda: reader.histogram(everything, "best_right"),
        "compare": lambda: reader.compare(one, two),
        "matrix": lambda: reader.matrix([one, two, Side(RUN, "2.evaluate", "beam")]),
        "problem": lambda: reader.problem_trees(RUN, "problem-000077"),
    }
    return found | {f"kind {kind}": filtered(TreeFilter(RUN, kinds=(kind,))) for kind in KINDS}


def milliseconds(ask: Callable[[], object]) -> float:
    def once() -> float:
        began = time.perf_counter()
        ask()
        return 1000 * (time.perf_counter() - began)

    return min(once() for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=20_000)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--rebuild", action="store_true", help="time `restmcts store rebuild` as well")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = wanted.root or Path(folder)
        if not (root / "runs" / RUN).exists():
            print(f"{wanted.trees} trees written in {write_store(root, wanted.trees):.1f} s")
        if wanted.rebuild:
            began = time.perf_counter()
            rebuild_index(root)
            print(f"index made anew in {time.perf_counter() - began:.1f} s")
        print(f"index of {(root / 'index.db').stat().st_size / 1e6:.0f} MB")
        with StoreReader(root) as reader:
            for name, ask in questions(reader).items():
                print(f"{name:<32} {milliseconds(ask):7.1f} ms")


if __name__ == "__main__":
    main()
