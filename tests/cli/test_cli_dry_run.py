"""`restmcts iterate --dry-run`: the plan of a run that is not started."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import SMALL, restmcts, state


def test_a_plan_bounds_what_the_run_took(store: Path) -> None:
    """The same phases in the same order, and none of them took more than planned."""
    before = state(store)
    found = json.loads(restmcts("iterate", SMALL, "--root", store, "--dry-run", "--json").output)
    assert state(store) == before
    shown = json.loads(restmcts("show", "small", "--root", store, "--json").output)
    done = {phase["name"]: phase["summary"] for phase in shown["phases"]}
    planned = {phase["name"]: phase for phase in found["phases"]}
    assert list(planned) == list(done)
    assert found["ready"] and all(phase["done"] for phase in planned.values())
    for name, phase in planned.items():
        summary = done[name]
        for bound, figure in (("generated", "policy_tokens"), ("searches", "trees"), ("updates", "updates")):
            if phase[bound] is not None and figure in summary:
                assert summary[figure] <= phase[bound], (name, figure)
    assert planned["1.train-policy"]["updates"] == done["1.train-policy"]["updates"]
    assert found["totals"]["generated"] == 0


def test_a_plan_of_a_new_run_starts_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    done = restmcts("iterate", SMALL, "--root", root, "--dry-run")
    assert not root.exists()
    assert "what it will do, at most" in done.output and "nothing was started" in done.output


def test_what_is_missing_is_one_list(tmp_path: Path) -> None:
    asked = ("iterate", "paper/mistral-7b-rest-mcts", "--root", tmp_path, "--dry-run")
    done = restmcts(*asked, code=2)
    listed = done.output.partition("missing:\n")[2].splitlines()
    named = [line.partition(":")[0].removeprefix("- ") for line in listed]
    assert [name for name in named if name != "GPU"] == ["problems"] * 3 + ["policy"]
    assert "2.train-value" in done.output and list(tmp_path.iterdir()) == []
    found = json.loads(restmcts(*asked, "--json", code=2).output)
    assert not found["ready"] and found["totals"]["unknown"] == []


def test_a_broken_recipe_is_refused_as_always(tmp_path: Path) -> None:
    recipe = tmp_path / "a.toml"
    recipe.write_text('recipe = "a"\nseeds = 3\n[problems]\ndata_set = "tiny"\n')
    assert "seeds" in restmcts("iterate", recipe, "--dry-run", code=2).errors
