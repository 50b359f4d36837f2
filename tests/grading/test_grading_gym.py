"""The grader `reasoning-gym`: scored by the library, in a process that can do no harm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from restmcts.errors import RestmctsError
from restmcts.grading.graders import gym_grader
from restmcts.grading.graders.gym_grader import GymGrader
from restmcts.problems.gym import GymProblems, generate_gym
from restmcts.problems.problem import Problem


@pytest.fixture(scope="module")
def grader() -> Iterator[GymGrader]:
    with GymGrader(seconds=10) as grader:
        yield grader


def problem_of(task: str) -> Problem:
    return generate_gym(GymProblems(task=task, train=1, validation=1, test=1), seed=3).test[0]


@pytest.mark.parametrize("task", ["chain_sum", "arc_agi", "knights_knaves", "n_queens", "word_ladder"])
def test_the_answer_of_the_task_is_found_in_a_solution_and_right(grader: GymGrader, task: str) -> None:
    problem = problem_of(task)
    found = grader.find_answer(f"Let us see.\n<answer>{problem.answer}</answer>", problem)
    assert found is not None
    assert grader.grade(problem, [found, "no idea"]) == [True, False]
    assert grader.is_complete(f"<answer>{problem.answer}</answer>", problem)


def test_another_answer_may_be_right_too(grader: GymGrader) -> None:
    fields = {"task": "countdown", "metadata": {"numbers": [2, 3, 4], "target": 24}}
    problem = Problem("p", "Make 24 of 2, 3, 4.", "2 * 3 * 4", fields=fields)
    verdicts = grader.grade(problem, ["4*(2*3)", "2*3*4", "4*3+2", "24", r"4 \times 6"])
    assert verdicts == [True, True, False, False, False]


def test_whole_numbers_have_one_spelling_and_other_answers_stay_as_they_are(grader: GymGrader) -> None:
    problem = problem_of("chain_sum")
    assert grader.find_answer("So it is \\boxed{1,234}", problem) == "1234"
    assert grader.find_answer("#### 1,234.00", problem) == "1234"
    assert grader.find_answer("Done.\n#### MESH, MESS", problem) == "MESH, MESS"
    assert grader.find_answer("<answer>\n1 2\n3 4\n</answer>", problem) == "1 2\n3 4"
    assert grader.find_answer("I do not know", problem) is None


def test_a_problem_without_its_task_has_no_verdict(grader: GymGrader) -> None:
    assert grader.grade(Problem("p", "1 + 1?", "2"), ["2", "3"]) == [None, None]


@pytest.mark.parametrize("guarded", [True, False])
def test_an_answer_runs_no_program_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    problem, left = problem_of("spiral_matrix"), tmp_path / "left"
    if not guarded:  # the process refuses it too
        monkeypatch.setattr(gym_grader, "_CODE", re.compile("(?!)"))
    answers = [
        f"[__import__('os').system('touch {left}')]",
        f"[__import__('subprocess').run(['touch', '{left}'])]",
        f"[open('{left}', 'w')]",
        f"[__import__('pathlib').Path('{left}').touch()]",
    ]
    with GymGrader(seconds=10) as grader:
        assert True not in grader.grade(problem, answers)
        assert (grader.stats.asked > 0) is not guarded
    assert not left.exists()


def test_an_endless_answer_has_no_verdict_and_the_next_one_has(grader: GymGrader) -> None:
    fields = {"task": "countdown", "metadata": {"numbers": [2, 3, 4], "target": 24}}
    problem = Problem("p", "Make 24 of 2, 3, 4.", "2 * 3 * 4", fields=fields)
    with GymGrader(seconds=0.3) as quick:
        assert quick.grade(problem, ["9**9**9**9", "9**9**9**9"]) == [None, None]
        assert (quick.stats.graded, quick.stats.timeouts) == (2, 1)
        assert quick.grade(problem, ["(2*3)*4"]) == [True]


def test_a_process_that_cannot_start_is_an_error_of_the_user() -> None:
    with (
        GymGrader(memory=48 * 1024**2) as grader,
        pytest.raises(RestmctsError, match=r"answers cannot be scored: .*restmcts\[data\]"),
    ):
        grader.grade(problem_of("chain_sum"), ["1"])
