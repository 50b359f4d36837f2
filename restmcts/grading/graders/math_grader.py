"""The grader ``math``: answers are compared with the oracle answer by value, not by spelling.

Numbers and equal spellings are compared here. The rest goes to computer algebra in another process with
limits on time and memory, because algebra can take forever on what a language model writes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from restmcts.grading.finding import MathAnswers
from restmcts.grading.graders.exact_grader import same_number
from restmcts.grading.limited import LimitedGrader
from restmcts.grading.maths.normalize import MAX_LENGTH, normalize_answer, parse_number
from restmcts.grading.registry import GraderKind
from restmcts.problems.problem import Problem

MAX_ALGEBRA = 1000
"""Longer answers are not given to the algebra; no oracle answer is as long."""

_POWER = r"\$?\s*(?:\\math(?:rm|bf)\s*\{)?\s*10\s*\^\s*\{?(-?[0-9]{1,3})\}?"
_UNIT_POWER = re.compile(_POWER)
_STATED_POWER = re.compile(r"[Tt]he unit of the answer (?:should be|is)\s+" + _POWER)
_WORD = re.compile(r"\(?[^\W\d_]{3,}(?:[ '-][^\W\d_]+)*\)?")
_CHOICE = re.compile(r"\(?([A-Za-z])\)?")
_CHOSEN = re.compile(r"\(?([A-Za-z])[.:)].*|\(([A-Za-z])\).*", re.DOTALL)


class MathGrader(LimitedGrader, MathAnswers):
    """Grades numbers and expressions; usable from any thread (one comparison runs at a time).

    Args:
        seconds: limit of one comparison, in seconds of processor time; about 1.5 s more where long arithmetic
            does not stop.
        memory: address space of the process that compares, in bytes.
    """

    def __init__(self, *, seconds: float = 0.5, memory: int = 1024**3) -> None:
        failure = "answers cannot be graded: {reason}; check with pip install latex2sympy2-extended"
        super().__init__("restmcts.grading.maths.algebra_worker", failure, seconds, memory)

    def grade(self, problem: Problem, answers: Sequence[str]) -> list[bool | None]:
        """A verdict on each answer to a problem that has an oracle answer, within its tolerance.

        Where the problem says that the unit of its answer is a power of ten, as SciBench does, the oracle
        answer counts with and without that power.
        """
        assert problem.answer is not None
        oracles = [problem.answer, *_with_power(problem)]
        return [self._any(answer, oracles, problem.tolerance) for answer in answers]

    def _any(self, answer: str, oracles: Sequence[str], tolerance: float | None) -> bool | None:
        verdicts = []
        for oracle in oracles:
            verdicts.append(self.equal(answer, oracle, tolerance=tolerance))
            if verdicts[-1]:
                return True
        return None if None in verdicts else False

    def equal(self, answer: str, oracle: str, *, tolerance: float | None = None) -> bool | None:
        """Does ``answer`` equal the oracle answer? None where the limits do not allow a verdict.

        Numbers must be equal exactly, or differ by at most ``tolerance`` times the larger one, which is
        how SciBench grades. An answer that is no expression equals only the same text.

        Raises:
            RestmctsError: the process cannot start, for example because a package is missing.
        """
        left, right = normalize_answer(answer), normalize_answer(oracle)
        with self._lock:
            self.stats.graded += 1
            verdict = _quick(left, right, tolerance)
            if verdict is not None:
                return verdict
            request = {"answer": left, "oracle": right, "tolerance": tolerance}
            return self._remembered((left, right, tolerance), request)


def _with_power(problem: Problem) -> list[str]:
    """The oracle answer times the power of ten in the unit of the problem, if there is one."""
    if problem.tolerance is None or parse_number(normalize_answer(problem.answer or "")) is None:
        return []
    unit = str(problem.fields.get("unit", ""))
    found = _UNIT_POWER.search(unit) or _STATED_POWER.search(problem.text)
    return [] if found is None else [rf"{problem.answer} \times 10^{{{found[1]}}}"]


def _quick(left: str, right: str, tolerance: float | None) -> bool | None:
    """The verdict where no algebra is needed, else None."""
    if not left or not right:
        return False
    if left == right:
        # Texts that were cut may differ behind the cut.
        return len(left) < MAX_LENGTH
    if max(len(left), len(right)) > MAX_ALGEBRA:
        return False
    numbers = parse_number(left), parse_number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return same_number(numbers[0], numbers[1], tolerance)
    choice = _CHOICE.fullmatch(right)
    if choice is not None:
        chosen = _CHOICE.fullmatch(left) or _CHOSEN.fullmatch(left)
        if chosen is not None:
            return str(chosen[1] or chosen[chosen.lastindex or 1]).lower() == choice[1].lower()
    # To the algebra a word is a product of variables, and 'neve' would equal 'even'.
    return False if _WORD.fullmatch(left) and _WORD.fullmatch(right) else None


MATH = GraderKind(MathGrader, "numbers and expressions, by value (sympy)")
