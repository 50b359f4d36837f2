"""MCTS* against recorded searches of the paper's published implementation.

``golden/mcts_traces.json`` holds scripted searches: settings, the seed that breaks ties, and the world as
tables (the draws of each partial solution in order, the value of each, and which are finished). Steps are
separated by spaces; the root is the empty string. The expected numbers (visits and values of every node,
where and in which round the search stopped, which leaves are verified, and the labels that follow from
their verdicts) were recorded by running the published code of ReST-MCTS* (arXiv 2406.03816) on these worlds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restmcts.labels import rest_mcts
from restmcts.search.methods.mcts import Mcts
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.events import Selected

SEARCHES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "golden" / "mcts_traces.json").read_text("utf-8")
)


def path(key: str) -> tuple[str, ...]:
    return tuple(key.split())


def replay(row: dict[str, Any]) -> ScriptedSearch:
    return scripted_search(
        "mcts",
        Mcts(gate="value", **row["settings"]),
        propose={path(key): draws for key, draws in row["draws"].items()},
        value={path(key): value for key, value in row["values"].items()},
        finished={path(key) for key in row["finished"]},
        seed=row["seed"],
    )


def test_the_recorded_searches_cover_stops_and_labels() -> None:
    assert len(SEARCHES) == 60
    assert sum("stopped_at" in row for row in SEARCHES) >= 10
    assert sum(bool(row.get("labels")) for row in SEARCHES) >= 10


@pytest.mark.parametrize("row", SEARCHES, ids=[str(row["seed"]) for row in SEARCHES])
def test_move_for_move_as_published(row: dict[str, Any]) -> None:
    found = replay(row)
    # Bit for bit: the arithmetic is the same, in the same order.
    assert found.table() == {path(key): tuple(node) for key, node in row["visits_and_values"].items()}
    if "stopped_at" in row:
        assert found.outcome.reason == "gate" and found.outcome.node is not None
        assert found.node(*path(row["stopped_at"])).id == found.outcome.node
        assert sum(isinstance(event, Selected) for event in found.events) == row["stopped_in_round"]
    else:
        assert found.outcome.reason == "rounds"


@pytest.mark.parametrize(
    "row", [row for row in SEARCHES if "verified" in row], ids=lambda row: str(row["seed"])
)
def test_verified_leaves_and_labels_as_published(row: dict[str, Any]) -> None:
    tree = replay(row).tree
    texts = {node.id: tuple(step.text for step in tree.steps(node.id)) for node in tree.nodes}
    verdicts = {path(key): verdict for key, verdict in row["verified"].items()}
    assert {texts[node.id] for node in tree.finished()} == verdicts.keys()
    for node in tree.finished():
        node.correct = verdicts[texts[node.id]]
    labels = {texts[node]: label for node, label in enumerate(rest_mcts(tree)) if label is not None}
    assert labels == {path(key): pytest.approx(label, abs=1e-12) for key, label in row["labels"].items()}
