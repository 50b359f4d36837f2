"""The table `[cluster]`: it decides where a run is made, and nothing else."""

from __future__ import annotations

import importlib.util
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.loops.study import same_until
from restmcts.recipe import Recipe, load_recipe, recipe_toml
from restmcts.stored_recipes import config_text
from restmcts.workers.cluster import connection
from restmcts.workers.cluster.connection import Node, connect
from restmcts.workers.cluster.versions import differences, versions
from store.asked import asked
from store.encoding.searches import encode_search
from tests.cli.commands import SMALL, refused
from tests.store.build import record

ON_RAY = ("cluster.engine=ray", "cluster.workers=8", "cluster.resources={a100 = 0.5}")


def stored(root: Path, recipe: Recipe) -> None:
    folder = root / "runs" / "r"
    folder.mkdir(parents=True)
    (folder / "run.toml").write_text(recipe_toml(recipe))


def test_it_is_not_stored_and_a_run_goes_on_with_any_other(tmp_path: Path) -> None:
    here, there = load_recipe(str(SMALL)), load_recipe(str(SMALL), ON_RAY)
    assert here != there
    assert recipe_toml(here) == recipe_toml(there)
    assert "cluster" not in tomllib.loads(recipe_toml(there))
    stored(tmp_path, here)
    assert config_text(tmp_path, "r", there) == recipe_toml(here)
    other = load_recipe(str(SMALL), (*ON_RAY, "seed=4"))
    assert config_text(tmp_path, "r", other) != recipe_toml(here)


def test_a_study_shares_phases_across_clusters() -> None:
    here, there = load_recipe(str(SMALL)), load_recipe(str(SMALL), ON_RAY)
    assert same_until("0.train-value", here, there)


def test_the_folder_of_the_workers_is_relative_to_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    table = '\n[cluster]\nworking_directory = "code"\n'
    recipe.write_text(SMALL.read_text() + table)
    assert load_recipe(str(recipe)).cluster.working_directory == str(tmp_path / "code")
    recipe.write_text(SMALL.read_text() + table.replace("code", "s3://bucket/code.zip"))
    assert load_recipe(str(recipe)).cluster.working_directory == "s3://bucket/code.zip"


def test_the_worker_of_a_search_is_not_what_was_asked() -> None:
    one = record(0)
    other = replace(one, header=replace(one.header, worker="10.0.0.7/worker-3"))
    assert asked(other.header) == asked(one.header)
    assert b"worker" not in encode_search(one)


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    said = r'cluster\.engine = "ray" needs Ray: pip install "restmcts\[ray\]"'
    with pytest.raises(InputError, match=said):
        connect("local")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:9", "cluster.address = '127.0.0.1:9': nobody answers there"),
        ("ray://[::1]:9", "cluster.address = 'ray://[::1]:9': nobody answers there"),
        ("127.0.0.1:99999", "cluster.address = '127.0.0.1:99999': nobody answers there"),
        ("somewhere", "cluster.address = 'somewhere': write local, auto, HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_in_one_line(address: str, said: str) -> None:
    assert refused("doctor", "--cluster", address).startswith(f"error: {said}")


def test_how_many_workers_a_node_holds() -> None:
    node = Node("10.0.0.1", {"CPU": 8.0, "GPU": 2.0, "a100": 2.0})
    assert node.holds({"CPU": 3.0}) == 2
    assert node.holds({"CPU": 1.0, "GPU": 0.1}) == 8
    assert node.holds({"GPU": 0.1}) == 20
    assert node.holds({"CPU": 1.0, "h100": 1.0}) == 0


def test_versions_are_compared_in_words() -> None:
    here = versions()
    assert differences(here, dict(here)) == []
    assert differences(here, here | {"code": "0"}) == [f"other code of restmcts {here['restmcts']}"]
    other = here | {"code": "0", "restmcts": "9", "torch": "none"}
    assert differences(here, other) == [
        f"restmcts 9 instead of {here['restmcts']}",
        f"torch none instead of {here['torch']}",
    ]
