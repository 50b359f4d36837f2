"""Paths that a recipe or a command names."""

from __future__ import annotations

from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.paths import expanded, located, text_of
from restmcts.recipe import load_recipe, recipe_toml


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The working directory, and the folder of a recipe."""
    for name in ("work", "recipes", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "work", tmp_path / "recipes"


def test_a_path_is_relative_to_the_file_that_names_it(folders: tuple[Path, Path]) -> None:
    work, recipes = folders
    assert located("x.jsonl", recipes) == str(recipes / "x.jsonl")
    assert located("x.jsonl") == str(work / "x.jsonl")
    (work / "x.jsonl").touch()
    assert located("x.jsonl", recipes) == str(work / "x.jsonl")
    (recipes / "x.jsonl").touch()
    with pytest.raises(InputError, match=r"x\.jsonl may be .*: write the whole path"):
        located("x.jsonl", recipes)
    (work / "x.jsonl").unlink()
    (work / "x.jsonl").symlink_to(recipes / "x.jsonl")
    assert located("x.jsonl", recipes) == str(recipes / "x.jsonl")
    assert located("../y/./x", recipes) == str(recipes.parent / "y" / "x")
    assert located("/a/b") == "/a/b"


def test_the_home_folder_is_found(folders: tuple[Path, Path]) -> None:
    home = folders[0].parent / "home"
    assert located("~/x", folders[1]) == str(home / "x")
    assert expanded(Path("~/x")) == home / "x"
    with pytest.raises(InputError, match="nobody-of-this-name"):
        expanded(Path("~nobody-of-this-name/x"))


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="no UTF-8"):
        text_of(Path("/data/\udcff"))


RECIPE = """
recipe = "mine"
[models]
policy = "models/base"
value = "~/value"
[problems]
train = "train.jsonl"
test = "/data/test.jsonl"
"""


def test_a_recipe_holds_whole_paths(folders: tuple[Path, Path]) -> None:
    work, recipes = folders
    path = recipes / "mine.toml"
    path.write_text(RECIPE)
    recipe = load_recipe(str(path))
    assert recipe.models.policy == str(recipes / "models/base")
    assert recipe.models.value == str(work.parent / "home/value")
    shown = recipe_toml(recipe)
    assert f'train = "{recipes}/train.jsonl"' in shown
    assert 'test = "/data/test.jsonl"' in shown
    typed = load_recipe("../recipes/mine.toml", ["problems.train=train.jsonl", 'models={policy="p"}'])
    assert recipe_toml(typed).count(str(work)) == 2
    assert typed.models.policy == str(work / "p")


def test_names_on_a_server_are_no_paths(folders: tuple[Path, Path]) -> None:
    path = folders[1] / "mine.toml"
    path.write_text(RECIPE + '[models.openai]\nbase_url = "http://127.0.0.1:1/v1"\n')
    recipe = load_recipe(str(path), ["models.engine=openai", "models.value_engine=transformers"])
    assert recipe.models.policy == "models/base"
    assert recipe.models.value == str(folders[0].parent / "home/value")


def test_a_byte_order_mark_in_front_of_a_recipe_is_no_part_of_it(folders: tuple[Path, Path]) -> None:
    path = folders[1] / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + RECIPE.encode())
    assert load_recipe(str(path)).recipe == "mine"


def test_a_seed_has_64_bits(folders: tuple[Path, Path]) -> None:
    path = folders[1] / "mine.toml"
    path.write_text(RECIPE)
    assert load_recipe(str(path), [f"seed={2**63 - 1}"]).seed == 2**63 - 1
    with pytest.raises(InputError, match="seed: Input should be less than"):
        load_recipe(str(path), [f"seed={2**63}"])
