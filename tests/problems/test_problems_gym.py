"""Problems of reasoning-gym: all different, the same for the same seed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from restmcts.errors import InputError
from restmcts.grading.grader import Grader
from restmcts.iterate.sets import load_sets
from restmcts.problems.gym import GymProblems, generate_gym
from restmcts.recipe import Recipe
from restmcts.settings import checked

SUMS = GymProblems(task="chain_sum", settings={"max_terms": 3}, train=30, validation=5, test=10)


def test_no_problem_is_in_two_sets_and_each_has_its_answer() -> None:
    sets = generate_gym(SUMS, seed=1)
    assert {name: len(problems) for name, problems in sets.items()} == {
        "train": 30,
        "validation": 5,
        "test": 10,
    }
    problems = [problem for part in sets.values() for problem in part]
    assert len({problem.text for problem in problems}) == len({problem.id for problem in problems}) == 45
    with Grader() as grader:
        sums = [problem.text.rpartition(":")[2].rstrip(" =?").strip() for problem in problems]
        answers = [str(problem.answer) for problem in problems]
        assert all(grader.grade_many([(str(eval(s)), a) for s, a in zip(sums, answers, strict=True)]))  # noqa: S307


def test_the_seed_decides() -> None:
    assert generate_gym(SUMS, seed=1) == generate_gym(SUMS, seed=1)
    assert generate_gym(SUMS, seed=1) != generate_gym(SUMS, seed=2)


def test_a_recipe_takes_its_problems_from_it() -> None:
    values = {"recipe": "r", "models": {"policy": "p"}, "problems": {"gym": SUMS.model_dump()}}
    sets = load_sets(checked(Recipe, values, "recipe"))
    assert (len(sets.train), len(sets.validation), len(sets.test)) == (30, 5, 10)
    assert sets.demonstrations == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "chain_sums"}, "no task 'chain_sums': did you mean 'chain_sum'?"),
        ({"task": "chain_sum", "settings": {"terms": 3}}, "problems.gym.settings: chain_sum: .*'terms'"),
        ({"task": "chain_sum", "settings": {"min_terms": 9}}, "problems.gym.settings: chain_sum: "),
        (
            {"task": "chain_sum", "settings": {"max_terms": 2, "max_digits": 1}, "train": 5000},
            "different problems in .* 5150 are wanted",
        ),
    ],
)
def test_what_cannot_be_generated_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate_gym(GymProblems.model_validate(settings), seed=1)


def test_files_and_a_task_are_not_mixed() -> None:
    values = {"recipe": "r", "models": {"policy": "p"}, "problems": {"train": "x", "gym": {"task": "gcd"}}}
    with pytest.raises(InputError, match="not from both"):
        checked(Recipe, values, "recipe")


def test_without_the_package_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['reasoning_gym'] = None\n"
        "from restmcts.problems.gym import GymProblems, generate_gym\n"
        "generate_gym(GymProblems(task='gcd'), 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'InputError: problems.gym needs reasoning-gym: pip install "restmcts[data]"' in done.stderr
