"""The grader ``exact``: equal are answers of the same plain spelling or the same number, without algebra."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from types import TracebackType
from typing import Self

from restmcts.grading.finding import MathAnswers
from restmcts.grading.maths.normalize import MAX_LENGTH, normalize_answer, parse_number
from restmcts.grading.registry import GraderKind
from restmcts.problems.problem import Problem


class ExactGrader(MathAnswers):
    """Finds answers as ``math`` does, and compares them as text and as numbers.

    It is stricter than ``math``, and shows where the verdicts of that grader rest on its algebra.
    """

    def grade(self, problem: Problem, answers: Sequence[str]) -> list[bool | None]:
        """Whether each answer has the spelling of the oracle answer, or is the same number."""
        assert problem.answer is not None
        oracle = normalize_answer(problem.answer)
        return [_equal(normalize_answer(answer), oracle, problem.tolerance) for answer in answers]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _equal(left: str, right: str, tolerance: float | None) -> bool:
    if left == right:
        return 0 < len(left) < MAX_LENGTH
    numbers = parse_number(left), parse_number(right)
    if numbers[0] is None or numbers[1] is None:
        return False
    return same_number(numbers[0], numbers[1], tolerance)


def same_number(left: Fraction, right: Fraction, tolerance: float | None) -> bool:
    """Whether two numbers are equal, or differ by at most ``tolerance`` times the larger one."""
    if tolerance is None:
        return left == right
    return abs(left - right) <= Fraction(str(tolerance)) * max(abs(left), abs(right))


EXACT = GraderKind(ExactGrader, "numbers and texts, by their plain spelling")
