"""What the tests of the screens share: a run as it is left behind, and how they wait."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING

from textual.app import App
from textual.pilot import Pilot

from store.records import Evaluation, Metric
from store.runs.writer import RunWriter
from tests.tui.made_searches import mcts, votes

if TYPE_CHECKING:
    from pathlib import Path

SEARCHES = 215
"""More than a page."""

Until = Callable[[Pilot[None], Callable[[], object]], Awaitable[None]]


def screen_of(app: App[None]) -> str:
    """What is to be seen on the screen, all of it and nothing else."""
    letters = re.sub(r"<style.*?</style>|<[^>]*>", "", app.export_screenshot(), flags=re.DOTALL)
    return unescape(letters).replace("\xa0", " ")


def open_run(root: Path, run: str) -> RunWriter:
    return RunWriter.create_or_open(root, run, config='recipe = "tiny"\n', environment={"python": "3"})


def write_demo(root: Path) -> None:
    with open_run(root, "demo") as writer:
        writer.start_phase("1.search", "search", 1)
        for number in range(SEARCHES):
            writer.add_tree(mcts(number, rounds=4 + number % 9))
        writer.finish_phase("1.search", {"trees": SEARCHES})
        writer.start_phase("1.label", "label", 1)
        nodes = {number: mcts(number, rounds=4 + number % 9).result.nodes for number in (0, 1)}
        rows = [(f"1.search/{number}", tuple(_labels(count))) for number, count in nodes.items()]
        writer.write_labels("1.label", "rest-mcts", rows)
        writer.finish_phase("1.label", {})
        writer.start_phase("1.train-policy", "train-policy", 1)
        for step in range(40):
            writer.add_metric(Metric("demo", "1.train-policy", 1, "loss", 2 / (step + 1), step))
        writer.finish_phase("1.train-policy", {"loss": 0.05})
        writer.start_phase("2.evaluate.votes", "evaluate", 2)
        for number in range(5):
            writer.add_tree(votes(number, "2.evaluate.votes"))
        evaluation = Evaluation(
            "demo", "2.evaluate.votes", 2, "votes", 4000, 5.0, 5, 3, 0.6, 0.231, 0.882, 200.0, 0.0
        )
        writer.add_evaluation(evaluation)
        writer.finish_phase("2.evaluate.votes", {})
        writer.finish_run()


def _labels(count: int) -> list[float | None]:
    return [None] + [0.125 * (node % 8) for node in range(1, count)]


METHODS = ("mcts", "votes")
PROBLEMS = 30


def write_compared(root: Path) -> None:
    """Two runs that searched the same problems by the same two methods, in two phases each."""
    for shift, run in enumerate(("one", "two")):
        config = f'recipe = "tiny"\nseed = {shift}\n'
        with RunWriter.create_or_open(root, run, config=config, environment={}) as writer:
            for phase in ("1.evaluate", "final.evaluate"):
                writer.start_phase(phase, "evaluate", 1)
                for number in range(PROBLEMS):
                    asked = {
                        "problem": f"sum-{number:04}",
                        "question": f"What is {number} plus {42 - number}?",
                    }
                    search = mcts(number + 100 * shift, phase, rounds=6, **asked)
                    named = replace(search.header, id=f"{phase}/{number}")
                    writer.add_tree(replace(search, header=named))
                    writer.add_tree(votes(number + PROBLEMS, phase, traces=2 + number % 3, **asked))
                for method, rule in zip(METHODS, ("best-value", "majority"), strict=True):
                    row = Evaluation("", phase, 1, method, 4000, 5.0, PROBLEMS, 3, 0.6, 0.2, 0.8, 90.0, 9.0)
                    writer.add_evaluation(replace(row, rule=rule))
                writer.finish_phase(phase, {})
            writer.finish_run()
