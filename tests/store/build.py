"""Small, fixed records for the tests of the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from store.events import (
    BackedUp,
    Cost,
    Critiqued,
    Expanded,
    Header,
    Result,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.records import Checkpoint, Evaluation, Metric, PolicySample, PreferenceSample, ValueSample
from store.runs.writer import RunWriter

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = 'recipe = "tiny"\nseed = 1\n'
ENVIRONMENT = {"python": "3.11", "seeds": [1, 2]}
PHASE = "1.search"


def open_run(root: Path, run: str = "first", config: str = CONFIG, **more: Any) -> RunWriter:
    return RunWriter.create_or_open(root, run, config=config, environment=ENVIRONMENT, **more)


def record(number: int = 0, phase: str = PHASE, *, correct: bool = True, **header: Any) -> SearchRecord:
    """A search with three nodes below the root: two first steps, one finished second step."""
    texts = ("2 + 3 = 5\n", "2 + 3 = 6\n", "the answer is 5")
    steps = tuple(Step(text, (1, 2, index), -0.5, index == 2) for index, text in enumerate(texts))
    cost = Cost(policy=6, prompt=20, calls=2)
    events = (
        Selected(0),
        Critiqued(0, False),
        Expanded(0, steps[:2], (2, 1), cost),
        Valued((1, 2), (0.75, 0.25), Cost(value=14, calls=2)),
        Expanded(1, steps[2:], (1,), cost),
        Valued((3,), (0.875,), Cost(value=9, calls=1)),
        Critiqued(3, True, "5"),
        BackedUp((3, 1, 0), (1, 1, 1), (0.875, 0.8125, 0.5)),
        Verified((3,), (correct,)),
        Stopped("rounds", 3, "5"),
    )
    named: dict[str, Any] = {
        "problem": f"problem-{number}",
        "question": f"What is 2 + 3? ({number})",
        "oracle": "5",
        "method": "mcts",
        "answer_by": "best-value",
        "seed": number,
        "policy": "base",
        "value": "base",
        "budget": 100,
        "settings": {"branch": 3, "exploration": 0.4},
    }
    total = Cost(policy=12, prompt=40, value=23, calls=7)
    result = Result("5", correct, "rounds", total, 4, 1, 0.5 + number)
    return SearchRecord(Header(id=f"{phase}/{number}", phase=phase, **(named | header)), events, result)


def with_text(text: str, number: int = 0) -> SearchRecord:
    """A search whose first step, question and answer are ``text``."""
    plain = record(number, question=text)
    events = list(plain.events)
    events[2] = Expanded(0, (Step(text), Step("other")), (1, 1))
    events[-1] = Stopped("rounds", 3, text)
    return replace(plain, events=tuple(events), result=replace(plain.result, answer=text))


METRIC = Metric("first", PHASE, 1, "loss", 0.5, 3, {"split": "train"})
EVALUATION = Evaluation(
    "first", PHASE, 1, "mcts", 100, 2.5, 10, 5, 0.5, 0.25, 0.75, 90.5, 200.0, 4.5, 60.0, 7.25, 1.5e6,
    "0123abcd", "best-value",
)  # fmt: skip
CHECKPOINT = Checkpoint("first", 1, "policy", "checkpoints/1/policy", None, False, {"loss": 0.5})
POLICY_SAMPLE = PolicySample(
    "problem-0", "Q", (Step("a\n", (1,)), Step("b", (2,))), (f"{PHASE}/0",), 1.0, "trace"
)
VALUE_SAMPLE = ValueSample(
    "problem-0", "Q", (Step("a\n", (1,)), Step("b", (2,))), (0.5, None), (f"{PHASE}/0",)
)
PREFERENCE_SAMPLE = PreferenceSample(
    "problem-0", "Q", (Step("a\n", (1,)),), (Step("b", (2,)),), (Step("c", (3,)),), (f"{PHASE}/0",), 0.5
)
LABELS: tuple[float | None, ...] = (None, 0.5, 0.0, 1.0)


def fill(writer: RunWriter, numbers: tuple[int, ...] = (2, 0, 1)) -> None:
    """Write something of every kind."""
    writer.start_phase(PHASE, "search", 1)
    for number in numbers:
        writer.add_tree(record(number, correct=number != 1))
    writer.seal_trees(PHASE)
    writer.write_labels(PHASE, "rest-mcts", [(f"{PHASE}/{number}", LABELS) for number in sorted(numbers)])
    writer.write_samples("1.train", [POLICY_SAMPLE, VALUE_SAMPLE, PREFERENCE_SAMPLE])
    writer.layout.checkpoint(1, "policy").mkdir(parents=True, exist_ok=True)
    writer.add_checkpoint(CHECKPOINT)
    writer.add_metric(METRIC)
    writer.add_evaluation(EVALUATION)
    writer.finish_phase(PHASE, {"trees": len(numbers)})


def tables(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of the index, sorted."""
    from store.files.layout import index_path
    from store.index.connection import connect
    from store.index.schema import TABLES

    connection = connect(index_path(root))
    columns = {"documents": "run, phase, number"}  # their ids follow the order in which they were read
    try:
        return {
            name: sorted(
                map(tuple, connection.execute(f"SELECT {columns.get(name, '*')} FROM {name}")), key=repr
            )
            for name in TABLES
        }
    finally:
        connection.close()
