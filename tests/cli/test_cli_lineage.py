"""`restmcts show` of checkpoints, and what the forms of its argument stand for."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from restmcts.cli.commands.show import figure_rows
from restmcts.cli.output.lineage import lineage_lines
from restmcts.cli.shown import Named, named
from restmcts.loops.stored.lineage import Lineage, Made, Model, Searches, StoredFile
from store.records import Metric
from tests.cli.commands import refused, restmcts
from tests.store.build import open_run


@pytest.mark.parametrize(
    ("what", "kind", "name"),
    [
        ("tiny", "run", ""),
        ("tiny/1.search/0", "tree", "1.search/0"),
        ("tiny/2/0", "tree", "2/0"),
        ("tiny/checkpoints/0", "tree", "checkpoints/0"),
        ("tiny/2/policy", "checkpoint", "2/policy"),
        ("tiny/checkpoints/2/policy", "checkpoint", "checkpoints/2/policy"),
        ("tiny/nothing", "tree", "nothing"),
        ("/models/2/policy", "folder", "/models/2/policy"),
        ("./tiny/2/policy", "folder", "tiny/2/policy"),
        ("store/runs/tiny/checkpoints/2/policy", "folder", "store/runs/tiny/checkpoints/2/policy"),
    ],
)
def test_forms_are_told_apart(tmp_path: Path, what: str, kind: str, name: str) -> None:
    found = named(tmp_path, what)
    assert (found.kind, found.name) == (kind, name)
    assert found.run == ("" if kind == "folder" else "tiny")


def test_a_run_comes_before_a_folder_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("models/2/policy").mkdir(parents=True)
    assert named(tmp_path / "store", "models/2/policy") == Named("folder", "", "models/2/policy")
    Path("store/runs/models").mkdir(parents=True)
    assert named(tmp_path / "store", "models/2/policy") == Named("checkpoint", "models", "2/policy")


def test_a_checkpoint_is_shown_with_its_chain(store: Path) -> None:
    text = restmcts("show", "small/1/policy", "--root", store).output
    lines = text.splitlines()
    assert lines[0] == "checkpoints/1/policy of run small"
    assert any(
        line.startswith("checkpoints/1/policy: policy of iteration 1, made by 1.train-policy")
        for line in lines
    )
    assert "1.search: " in text and "searched with checkpoints/0/policy and checkpoints/0/start" in text
    assert "models that the trees were searched with" in text and "checkpoints/0/start: " in text
    assert text.count(", …") > 0
    everything = restmcts("show", "small/checkpoints/1/policy", "--root", store, "--trees").output
    assert len(everything) > len(text) and ", …" not in everything
    folder = os.path.relpath(store / "runs" / "small" / "checkpoints" / "1" / "policy")
    assert restmcts("show", folder).output == text


def test_a_checkpoint_as_json_has_everything(store: Path) -> None:
    found = json.loads(restmcts("show", "small/1/value", "--root", store, "--json").output)
    assert found["chain"] == [
        "checkpoints/1/value",
        "checkpoints/0/start",
        "checkpoints/0/policy",
    ]
    assert {model["name"] for model in found["models"]} == set(found["chain"])
    value = found["models"][0]
    assert [one["phase"] for one in value["samples"]] == ["0.label", "1.label"]
    assert all(tree.startswith("1.search/") for tree in value["searches"][1]["trees"])


def test_trees_and_runs_are_shown_as_before(store: Path) -> None:
    assert "answer" in restmcts("show", "small/1.search/0", "--root", store).output
    assert "run small: done" in restmcts("show", "small", "--root", store).output


def test_bad_names_are_named(store: Path) -> None:
    assert "has no checkpoint 'checkpoints/9/policy'" in refused("show", "small/9/policy", "--root", store)
    assert "no run 'other'" in refused("show", "other/1/policy", "--root", store)
    assert "no such folder" in refused("show", "./nothing/here", "--root", store)
    assert "--trees goes with a checkpoint" in refused("show", "small", "--trees", "--root", store)


def test_names_of_a_received_store_stay_text() -> None:
    odd = "\x1b[31m[red]evil\n"
    model = Model(
        odd,
        Made(odd, 1, odd, odd, True, by_name=True),
        (StoredFile(odd, "0" * 64, odd),),
        (),
        (Searches(odd, None, (odd,), 1, (odd,), ()),),
        (odd,),
    )
    found = Lineage(odd, (odd,), (model,), StoredFile(odd, None), None, {"packages": {odd: odd}}, (odd,))
    assert all(isinstance(line, str) for line in lineage_lines(found, trees=True))


def test_hostile_roles_and_phases_are_shown_and_not_obeyed(own_store: Path) -> None:
    journal = own_store / "runs" / "small" / "phases.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    for row in rows:
        row.pop("crc32", None)
        if row.get("phase") == "1.train-policy" and row["event"] == "done":
            row["summary"]["samples_from"] = ["../../../etc/passwd", "\x1b[31m"]
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = restmcts("show", "small/1/policy", "--root", own_store)
    assert "\x1b" not in done.output and "phase name '../../../etc/passwd'" in done.output


def test_figures_of_iterations_are_a_table(tmp_path: Path) -> None:
    assert figure_rows({(1, "a"): 0.5, (2, "b"): 0.25}) == (
        ["iteration", "a", "b"],
        [[1, "0.500", ""], [2, "", "0.250"]],
    )
    with open_run(tmp_path) as writer:
        writer.start_phase("1.search", "search", 1)
        writer.add_metric(Metric("", "1.search", None, "data.pass_at_1", 0.375))
        writer.add_metric(replace(Metric("", "1.search", 1, "engine.busy", 0.625)))
        writer.finish_phase("1.search", {})
    text = restmcts("show", "first", "--root", tmp_path).output
    assert "figures of each iteration" in text and "0.375" in text and "0.625" not in text
    found = json.loads(restmcts("show", "first", "--root", tmp_path, "--json").output)
    assert found["figures"] == [{"iteration": 1, "name": "data.pass_at_1", "value": 0.375}]
