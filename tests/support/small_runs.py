"""A run without models that takes a moment: it writes everything that a run can write, and can be resumed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from store.files.atomic import writing
from store.files.folders import model_files, new_folder
from store.records import Metric
from tests.store.build import CHECKPOINT, EVALUATION, LABELS, POLICY_SAMPLE, VALUE_SAMPLE, open_run, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.runs.writer import RunWriter

RUN = "first"


def go_on(root: Path) -> None:
    """Start the run in the store at ``root``, or go on with it, and come to its end."""
    with open_run(root, RUN) as writer:
        phase(writer, "0.train-policy", "train", train)
        phase(writer, "0.search", "search", search)
        phase(writer, "0.label", "label", label)
        phase(writer, "1.search", "search", search)
        phase(writer, "1.evaluate", "evaluate", evaluate)
        writer.finish_run()
        # As `restmcts label` does when all is done; the second rule is labelled twice, with other values.
        writer.write_labels("1.search", "rest-mcts", [("1.search/0", LABELS)])
        writer.write_labels("0.search", "estimation", [("0.search/0", LABELS)])
        writer.write_labels("0.search", "estimation", [("0.search/1", LABELS)])


def phase(writer: RunWriter, name: str, kind: str, work: Callable[[RunWriter, str], None]) -> None:
    """Do a phase once, as a run does it."""
    if writer.phase_status(name) == "done":
        return
    writer.start_phase(name, kind, int(name[0]))
    writer.note_uses(name, "methods", {"mcts": "restmcts 0.1"})
    try:
        work(writer, name)
    except Exception as error:
        writer.fail_phase(name, str(error))
        raise
    writer.finish_phase(name, {"phase": name})


def search(writer: RunWriter, name: str) -> None:
    for number in (2, 0, 1):
        if f"{name}/{number}" not in writer.finished_trees(name):
            writer.add_tree(record(number, name))
    writer.sync_index()
    writer.seal_trees(name)
    writer.add_metric(Metric("", name, 0, "busy", 0.5))


def label(writer: RunWriter, name: str) -> None:
    writer.write_labels("0.search", "rest-mcts", [(f"0.search/{number}", LABELS) for number in range(3)])
    trees = ("0.search/0",)
    writer.write_samples(name, [replace(POLICY_SAMPLE, trees=trees), replace(VALUE_SAMPLE, trees=trees)])


def train(writer: RunWriter, name: str) -> None:
    for step in range(3):
        writer.add_metric(Metric("", name, 0, "loss", 1 / (step + 1), step))
    target = writer.layout.checkpoint(0, "policy")
    with new_folder(target) as folder, writing(target):
        (folder / "config.json").write_text('{"layers": 1}\n')
        (folder / "model.safetensors").write_bytes(bytes(range(256)))
        (folder / "model.safetensors").chmod(0o600)
    writer.add_checkpoint_files(name, target, model_files(target))
    writer.add_checkpoint(replace(CHECKPOINT, iteration=0, path="checkpoints/0/policy"))


def evaluate(writer: RunWriter, name: str) -> None:
    search(writer, name)
    writer.add_evaluation(replace(EVALUATION, phase=name))
    writer.add_evaluation(replace(EVALUATION, phase=name, budget=200))
