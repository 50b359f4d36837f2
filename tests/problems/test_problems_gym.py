"""Problems of reasoning-gym: all different, the same for the same seed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from restmcts.errors import InputError
from restmcts.grading.graders.math_grader import MathGrader
from restmcts.problems.gym import GymProblems, generate_gym
from restmcts.problems.registry import load_splits
from restmcts.recipe import OLD_GYM, Recipe
from restmcts.settings import checked

SUMS = GymProblems(task="chain_sum", settings={"max_terms": 3}, train=30, validation=5, test=10)


def test_no_problem_is_in_two_sets_and_each_has_its_answer() -> None:
    splits = generate_gym(SUMS, seed=1)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (30, 5, 10)
    problems = [*splits.train, *splits.validation, *splits.test]
    assert len({problem.text for problem in problems}) == len({problem.id for problem in problems}) == 45
    with MathGrader() as grader:
        sums = [problem.text.rpartition(":")[2].rstrip(" =?").strip() for problem in problems]
        answers = [str(problem.answer) for problem in problems]
        assert all(grader.equal(str(eval(s)), a) for s, a in zip(sums, answers, strict=True))  # noqa: S307


def test_the_seed_decides() -> None:
    assert generate_gym(SUMS, seed=1) == generate_gym(SUMS, seed=1)
    assert generate_gym(SUMS, seed=1) != generate_gym(SUMS, seed=2)


def test_a_recipe_takes_its_problems_from_it() -> None:
    values = {"recipe": "r", "models": {"policy": "p"}, "problems": SUMS.model_dump()}
    recipe = checked(Recipe, values, "recipe")
    assert recipe.problems == SUMS
    sets = load_splits(recipe.problems, recipe.seed)
    assert (len(sets.train), len(sets.validation), len(sets.test)) == (30, 5, 10)
    assert sets.demonstrations == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "chain_sums"}, "no task 'chain_sums': did you mean 'chain_sum'?"),
        ({"task": "chain_sum", "settings": {"terms": 3}}, "problems.settings: chain_sum: .*'terms'"),
        ({"task": "chain_sum", "settings": {"min_terms": 9}}, "problems.settings: chain_sum: "),
        (
            {"task": "chain_sum", "settings": {"max_terms": 2, "max_digits": 1}, "train": 5000},
            "different problems in .* 5150 are wanted",
        ),
    ],
)
def test_what_cannot_be_generated_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate_gym(GymProblems.model_validate(settings), seed=1)


def test_the_table_of_earlier_versions_is_refused_with_the_new_one() -> None:
    values = {"recipe": "r", "models": {"policy": "p"}, "problems": {"gym": {"task": "gcd"}}}
    with pytest.raises(InputError) as caught:
        checked(Recipe, values, "run.toml")
    assert str(caught.value) == f"run.toml: problems: {OLD_GYM}"


def test_without_the_package_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['reasoning_gym'] = None\n"
        "from restmcts.problems.gym import GymProblems, generate_gym\n"
        "generate_gym(GymProblems(task='gcd'), 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        'InputError: the data set reasoning-gym needs reasoning-gym: pip install "restmcts[data]"'
        in done.stderr
    )
