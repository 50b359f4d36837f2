"""Data sets and graders by name: those of the package, and those of somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.grading.registry import GRADERS
from restmcts.problems.problem import Problem
from restmcts.problems.registry import DATA_SETS
from restmcts.problems.splits import Splits, check_apart, held_out
from restmcts.recipe import OLD_TINY, Recipe, recipe_toml
from restmcts.settings import checked
from tests.problems.outside import install


def recipe(**problems: Any) -> Recipe:
    return checked(Recipe, {"recipe": "r", "models": {"policy": "p"}, "problems": problems}, "recipe.toml")


def outside(tmp_path: Path, *statements: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in which somebody else's distribution is installed."""
    code = "\n".join(["from restmcts.recipe import load_recipe", *statements])
    path = os.pathsep.join([str(install(tmp_path / "site")), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def written(tmp_path: Path, problems: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(f'recipe = "mine"\n[models]\npolicy = "p"\n[problems]\n{problems}', "utf-8")
    return path


def test_a_recipe_takes_data_set_and_grader_of_another_distribution(tmp_path: Path) -> None:
    path = written(tmp_path, 'data_set = "letters"\ncount = 2\n')
    done = outside(
        tmp_path,
        "import asyncio",
        "from restmcts.engines.prompted.critic import RuleCritic",
        "from restmcts.grading.registry import GRADERS",
        "from restmcts.problems.registry import load_splits",
        "from store.events import Step",
        f"recipe = load_recipe({str(path)!r})",
        "print(recipe.problems.data_set, recipe.problems.grader, recipe.problems.count)",
        "splits = load_splits(recipe.problems, 7)",
        "print(len(splits.train), splits.train[1].text, splits.train[1].answer)",
        "with GRADERS[recipe.problems.grader].open() as grader:",
        "    steps = [Step('1 is odd.\\n'), Step('The answer is (B).\\n')]",
        "    verdict = asyncio.run(RuleCritic(grader).judge(splits.train[1], steps, None))",
        "    print(verdict.finished, verdict.answer, grader.grade(splits.train[1], ['A', 'B']))",
        "    print(RuleCritic(grader).declared(splits.train[1], steps[:1]).answer)",
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "letters choices 2",
        "2 Which letter? (7, train 1) B",
        "True B [False, True]",
        "none of ABCD",
        "closed",
    ]


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        (
            'data_set = "leters"',
            "unknown data set 'leters': choose from jsonl, gsm8k, math,",
        ),
        (
            'data_set = "letters"\ncuont = 1',
            "data set 'letters': unknown key 'cuont': did you mean 'count'?",
        ),
        ('data_set = "letters"\ncount = 0', "data set 'letters': count: "),
        (
            'data_set = "letters"\ngrader = "no"',
            "unknown grader 'no': choose from math, choice, reasoning-gym, exact, choices, wrong-kind",
        ),
        ('data_set = "broken"', "data set 'broken' of letters 1.2 cannot be loaded: "),
    ],
)
def test_what_a_recipe_cannot_have_is_said(tmp_path: Path, problems: str, message: str) -> None:
    done = outside(tmp_path, f"load_recipe({str(written(tmp_path, problems))!r})")
    assert f"mine.toml: problems: {message}" in done.stderr.splitlines()[-1]


def test_an_entry_of_another_kind_is_no_grader(tmp_path: Path) -> None:
    done = outside(tmp_path, "from restmcts.grading.registry import GRADERS", "GRADERS['wrong-kind']")
    assert "letters:LETTERS is no GraderKind, but DataSet" in done.stderr


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_settings_of_a_data_set_name_it_and_a_grader(name: str) -> None:
    settings = DATA_SETS[name].settings
    assert settings.model_fields["data_set"].default == name
    assert settings.model_fields["grader"].default in {*GRADERS, "choice"}


def test_files_are_meant_where_no_data_set_is_named() -> None:
    assert recipe(train="t").problems == recipe(train="t", data_set="jsonl").problems
    with pytest.raises(InputError, match="problems: data set 'jsonl': settings: train is missing"):
        recipe()
    with pytest.raises(InputError, match="data_set: 3 is no name: choose from jsonl"):
        recipe(data_set=3)


def test_a_stored_recipe_says_everything_about_its_data_set(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    wanted = recipe(data_set="tiny", train=7, base={"width": 32})
    path.write_text(recipe_toml(wanted), "utf-8")
    assert "lowest_auc = 0.6" in path.read_text("utf-8")
    from restmcts.recipe import load_recipe

    assert load_recipe(str(path)).problems == wanted.problems


def test_only_data_sets_that_make_a_policy_go_without_one() -> None:
    assert checked(Recipe, {"recipe": "r", "problems": {"data_set": "tiny"}}, "here").models.policy is None
    with pytest.raises(InputError, match=r"models\.policy is missing"):
        checked(Recipe, {"recipe": "r", "problems": {"train": "t"}}, "here")


def test_a_recipe_of_earlier_versions_is_refused_with_what_to_write() -> None:
    values = {"recipe": "r", "tiny": {"problems": {"train": 9}}}
    with pytest.raises(InputError) as caught:
        checked(Recipe, values, "run.toml")
    assert str(caught.value) == f"run.toml: settings: {OLD_TINY}"


@given(st.lists(st.text(max_size=9), min_size=1, max_size=40))
def test_what_is_held_out_depends_on_the_name_alone(names: list[str]) -> None:
    assert [held_out(name) for name in names] == [held_out(name) for name in reversed(names)][::-1]


def test_one_problem_in_ten_is_held_out_for_each_use_by_itself() -> None:
    counts = Counter((held_out(str(n)), held_out(str(n), "validation")) for n in range(10_000))
    assert 900 < counts[True, False] + counts[True, True] < 1100
    assert 900 < counts[False, True] + counts[True, True] < 1100
    assert 60 < counts[True, True] < 140


def test_a_problem_is_not_trained_and_measured_on() -> None:
    one, two = Problem("a", "What?", "1"), Problem("b", "What?", "1")
    check_apart(Splits([one], [], [], [two]))
    with pytest.raises(InputError, match="problem 'b' of the test problems is also the training problem 'a'"):
        check_apart(Splits([one], [], [two], []))
    with pytest.raises(InputError, match="problem 'b' of the validation problems is also"):
        check_apart(Splits([], [two], [], [one]))


def test_the_built_in_task_knows_its_right_steps() -> None:
    tiny = DATA_SETS["tiny"]
    settings = recipe(data_set="tiny", operations=3, train=1, lowest_accuracy=0.2).problems
    problem = tiny.load(settings, 1).train[0]
    first, second = (problem.solution or "").splitlines()[:2]
    assert tiny.right_step(problem, f"{first}\n{second}") is True
    assert tiny.right_step(problem, f"{first}\n{second}9\n") is False
    assert tiny.right_step(Problem("p", "x"), "1\n") is None
    assert tiny.check_policy(settings, 0.5) is tiny.check_value(settings, 0.9) is None
    assert "outside 20% to 70%" in (tiny.check_policy(settings, 0.1) or "")
    assert "below problems.lowest_auc = 0.6" in (tiny.check_value(settings, 0.5) or "")


def test_other_data_sets_let_every_model_pass() -> None:
    files = DATA_SETS["jsonl"]
    assert files.make_policy is None
    assert files.right_step(Problem("p", "x", solution="1\n"), "1\n") is None
    assert files.check_policy(None, 0.0) is files.check_value(None, 0.0) is None
