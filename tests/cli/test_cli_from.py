"""`restmcts eval --from`: stored trees answered anew, by a process, without a model."""

from __future__ import annotations

from pathlib import Path

from store.check import check
from store.files.layout import RunLayout
from store.files.lock import RunLock
from tests.cli.commands import refused, restmcts, state


def test_stored_trees_are_answered_anew_and_stored_once(own_store: Path) -> None:
    asked = ("eval", "--from", "small/final.evaluate", "--root", own_store)
    rules = ("--answer", "majority", "--answer", "best-last", "--labels", "outcome", "--grader", "math")
    (found,) = restmcts(*asked, *rules, "--json").json()
    rows = restmcts("show", "small", "--root", own_store, "--json").json()["evaluations"]
    before = {row["method"]: row for row in rows if row["phase"] == "final.evaluate"}
    after = {row["method"]: row for row in rows if row["phase"] == found["phase"]}
    assert {"self-consistency", "best-of-n, last", "mcts, majority"} <= after.keys()
    for name in ("self-consistency", "best-of-n, last"):
        same = ("correct", "problems", "budget", "traces", "policy_tokens", "value_tokens")
        assert {key: after[name][key] for key in same} == {key: before[name][key] for key in same}
    assert found["labels"][0]["rule"] == "outcome" and found["labels"][0]["shared"] > 0
    stored = state(own_store)
    table = restmcts(*asked, *rules)
    assert found["phase"] in table.output and "within 0.1" in table.output
    assert {name for name, data in state(own_store).items() if data != stored.get(name)} <= {
        "runs/small/env.json", "runs/small/phases.jsonl",
    }  # fmt: skip
    assert restmcts("runs", "--root", own_store, "--json").json()[0]["status"] == "done"
    assert check(own_store) == []


def test_what_cannot_be_answered_is_refused_in_a_line(own_store: Path) -> None:
    asked = ("eval", "--root", own_store, "--from")
    assert "was searched with" in refused(*asked, "small/final.evaluate", "--budget", 100000)
    assert "have no values that best-last could read" in refused(
        *asked, "small/0.search", "--answer", "best-last"
    )
    assert "phases with trees: " in refused(*asked, "small/9.search")
    assert "no run 'large'" in refused(*asked, "large")
    assert "unknown answer rule" in refused(*asked, "small", "--answer", "best")
    assert "leave out the run" in refused("eval", "small", "--root", own_store, "--from", "small")
    assert "only constants.KEY=VALUE" in refused(*asked, "small", "-o", "mcts.rounds=3")
    assert "with --from" in refused("eval", "small", "--root", own_store, "--answer", "majority")


def test_a_run_without_models_that_another_process_writes_is_only_read(own_store: Path) -> None:
    for weights in own_store.rglob("model.safetensors"):
        weights.unlink()
    lock = RunLock.take(RunLayout(own_store, "small").folder)
    before = state(own_store)
    done = restmcts("eval", "--root", own_store, "--from", "small/0.search", "--json")
    lock.release()
    (found,) = done.json()
    assert found["phase"] is None
    assert {row["method"] for row in found["rows"]} == {
        "self-consistency", "best-of-n, first", "best-of-n, likelihood",
    }  # fmt: skip
    ranked = found["ranks"]["self-consistency, by likelihood"]
    assert 0.5 < ranked["low"] < ranked["auc"] < ranked["high"] <= 1
    assert "shown, but not stored" in done.errors
    assert state(own_store) == before


def test_one_budget_for_all_problems(own_store: Path) -> None:
    asked = ("eval", "small", "--root", own_store, "--budget", 8, "--limit", 6, "--budget-shared")
    found = restmcts(*asked, "--method", "self-consistency", "--json").json()
    rows = found["shared"]["rows"]
    assert [row["method"] for row in rows] == [
        "self-consistency, shared budget", "self-consistency, value vote, shared budget",
        "self-consistency, calibrated vote, shared budget",
    ]  # fmt: skip
    assert all(0 < row["policy_tokens"] <= row["budget"] == 8 for row in rows)
    assert found["shared"]["trees"] == 18 and found["shared"]["failed"] == 0
    anew = ("eval", "--root", own_store, "--from", f"small/{found['shared']['phase']}-validate")
    (stored,) = restmcts(*anew, "--budget-shared", "--budget", 8, "--json").json()
    assert [row["method"] for row in stored["rows"]] == [row["method"] for row in rows]
    assert all(len(row["thresholds"]) == 2 and row["policy_tokens"] <= 8 for row in stored["rows"])
    assert check(own_store) == []
