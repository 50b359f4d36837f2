"""The graders by name: what finds the answer in a solution and compares it with the oracle answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from restmcts.grading.finding import AnswerFinder
from restmcts.problems.problem import Problem
from restmcts.registry import Registry


class Grader(AnswerFinder, Protocol):
    """Finds answers and grades them. A run opens one as a context manager and closes it at its end."""

    def grade(self, problem: Problem, answers: Sequence[str]) -> Sequence[bool | None]:
        """Whether each of the ``answers`` is right, in their order.

        Called from several threads at a time, and only for problems that have an oracle answer. ``answers``
        are what ``find_answer`` found in solutions of ``problem``. None: no verdict could be reached, for
        example within the limits of time; such an answer counts as neither right nor wrong.

        Raises:
            RestmctsError: nothing can be graded, for example because a package is not installed.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class GraderKind:
    """A grader that can be opened: ``open`` makes one, ``summary`` says in a line what it compares."""

    open: Callable[[], Grader]
    summary: str


GRADERS: Registry[GraderKind] = Registry(
    "grader",
    "restmcts.graders",
    GraderKind,
    {
        "math": "restmcts.grading.graders.math_grader:MATH",
        "choice": "restmcts.grading.graders.choice_grader:CHOICE",
        "reasoning-gym": "restmcts.grading.graders.gym_grader:GYM",
        "exact": "restmcts.grading.graders.exact_grader:EXACT",
    },
)
