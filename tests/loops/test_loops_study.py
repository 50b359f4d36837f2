"""Studies: how arms follow from a recipe, and which phases they have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.loops.study import (
    SHARED_PHASES,
    StudyRun,
    chosen,
    load_study,
    merged,
    same_until,
    shipped_studies,
)

STUDY = """
study = "few"
recipe = "tiny"
seeds = [1, 2]
[changes]
iterations = 3
evaluation = { methods = [], each_iteration = [] }
[changes.generation]
budget = 9
[arms.guided]
[arms.sampled]
loop = "rest-em"
loop_settings = { samples = 4 }
"""


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return str(path)


def runs_of(tmp_path: Path, text: str) -> list[StudyRun]:
    return load_study(written(tmp_path, text))[1]


def test_every_arm_has_a_run_with_each_seed(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, STUDY)
    assert [run.name for run in runs] == ["few-guided-1", "few-sampled-1", "few-guided-2", "few-sampled-2"]
    assert [run.recipe.seed for run in runs] == [1, 1, 2, 2]
    assert [run.recipe.loop for run in runs[:2]] == ["rest-mcts", "rest-em"]
    assert {run.recipe.iterations for run in runs} == {3}
    assert {run.recipe.generation.budget for run in runs} == {9}
    assert {run.recipe.generation.method for run in runs} == {"mcts-improved"}  # from the recipe
    assert runs[1].recipe.recipe == "few-sampled"


def test_tables_are_merged_and_settings_replaced() -> None:
    before = {"a": {"b": 1, "settings": {"x": 1, "y": 2}}, "loop_settings": {"x": 1}, "c": 3}
    changes = {"a": {"d": 4, "settings": {"z": 3}}, "loop_settings": {}, "c": {"e": 5}}
    expected = {"a": {"b": 1, "d": 4, "settings": {"z": 3}}, "loop_settings": {}, "c": {"e": 5}}
    assert merged(before, changes) == expected
    assert before["a"] == {"b": 1, "settings": {"x": 1, "y": 2}}


def test_relative_paths_of_the_recipe_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "problems.jsonl").write_text("")
    (tmp_path / "mine.toml").write_text(
        'recipe = "mine"\n[models]\npolicy = "model"\n[problems]\ntrain = "problems.jsonl"\n'
    )
    text = 'study = "few"\nrecipe = "mine.toml"\nseeds = [1]\n[arms.one]\n'
    (run,) = runs_of(tmp_path, text)
    assert run.recipe.models.policy == str(tmp_path / "model")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("seeds = [1, 2]", "seeds = []", "seeds"),
        ("budget = 9", "budge = 9", "arm 'guided'.*budge"),
        ('recipe = "tiny"', 'recipe = "tin"', "tin"),
        ("[arms.sampled]", '[arms."a/b"]', "run name 'few-a/b-1'"),
        ("samples = 4", "sample = 4", "sample"),
        ("methods = []", 'methods = [{ method = "mcts" }]', "'mcts' needs a value model"),
        ('study = "few"', "", "study"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, before: str, after: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        runs_of(tmp_path, STUDY.replace(before, after))


def test_an_unknown_study_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="no study 'nothing'"):
        load_study("nothing")


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_can_be_read(name: str) -> None:
    study, runs = load_study(name)
    assert study.study == name
    assert len({run.name for run in runs}) == len(runs)


def test_phases_are_shared_while_nothing_differs_that_they_read(tmp_path: Path) -> None:
    text = """
    study = "few"
    recipe = "tiny"
    seeds = [1, 2]
    [changes]
    evaluation = { methods = [], each_iteration = [] }
    [arms.one]
    [arms.other-loop]
    loop = "rest-em"
    [arms.other-labels]
    labels = { rule = "any-correct" }
    [arms.other-problems]
    problems = { operations = 7 }
    """
    one, loop, labels, problems, *later = runs_of(tmp_path, text)
    policy = {"0.train-policy", "0.validate", "0.search"}

    def shared(other: StudyRun) -> set[str]:
        return {phase for phase in SHARED_PHASES if same_until(phase, one.recipe, other.recipe)}

    assert shared(loop) == set(SHARED_PHASES)
    assert shared(labels) == policy
    assert shared(problems) == set()
    assert shared(later[0]) == set()  # another seed


def test_some_of_the_runs_can_be_chosen(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, STUDY)
    assert [run.name for run in chosen(runs, [2], [])] == ["few-guided-2", "few-sampled-2"]
    assert [run.name for run in chosen(runs, [], ["guided"])] == ["few-guided-1", "few-guided-2"]
    with pytest.raises(InputError, match="--seed 3: the study has 1, 2"):
        chosen(runs, [3], [])
    with pytest.raises(InputError, match="--arm other: the study has guided, sampled"):
        chosen(runs, [], ["other"])
