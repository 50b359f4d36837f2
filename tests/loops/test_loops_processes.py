"""How many processes train says where a run is made, not which run it is."""

from __future__ import annotations

from pathlib import Path

from restmcts.loops.study import SHARED_PHASES, same_until
from restmcts.recipe import load_recipe, recipe_toml
from restmcts.stored_recipes import config_text
from store.files.layout import RunLayout


def test_a_run_goes_on_with_other_processes(tmp_path: Path) -> None:
    recipe = load_recipe("tiny")
    elsewhere = load_recipe("tiny", ["training.processes=8", "training.strategy=fsdp2"])
    text = recipe_toml(recipe)
    assert recipe_toml(elsewhere) == text
    path = RunLayout(tmp_path, "run").config
    path.parent.mkdir(parents=True)
    path.write_text(text + "\n# a line of the user's\n")
    assert config_text(tmp_path, "run", elsewhere) == path.read_text()
    assert config_text(tmp_path, "run", load_recipe("tiny", ["seed=9"])) != path.read_text()


def test_runs_share_phases_whatever_their_processes_are() -> None:
    recipe, elsewhere = load_recipe("tiny"), load_recipe("tiny", ["training.processes=8"])
    assert all(same_until(phase, recipe, elsewhere) for phase in SHARED_PHASES)
