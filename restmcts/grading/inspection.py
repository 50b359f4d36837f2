"""What a grader finds in the solutions of a file, and what it makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from restmcts.errors import InputError
from restmcts.grading.registry import Grader
from restmcts.problems.jsonl import load_problems
from restmcts.problems.problem import Problem


@dataclass(frozen=True, slots=True)
class Graded:
    """A text of a problem, the answer found in it, and the verdict.

    Attributes:
        problem: the id of the problem.
        of: ``oracle`` for the oracle answer itself, ``solution`` or ``response`` for a text.
        found: the answer, None where there is none.
        oracle: the oracle answer.
        verdict: right, wrong, or None where the grader reached no verdict.
        prefixes: how many prefixes of the text were tried: one for each line but the last.
        early_stops: those that count as finished with an answer that is not equal to that of the whole text.
    """

    problem: str
    of: str
    found: str | None
    oracle: str
    verdict: bool | None
    prefixes: int = 0
    early_stops: int = 0


def inspect_file(path: Path, grader: Grader, *, limit: int | None = None) -> Iterator[Graded]:
    """The oracle answer, the solution and the responses of each problem of a file, graded.

    Responses are texts of a model, in the fields ``response`` and ``responses`` of a line.

    Raises:
        InputError: the file cannot be read, or a response is no text.
    """
    for problem in load_problems(path, limit=limit):
        yield from inspect(problem, grader)
        for text in _responses(problem, path):
            yield _inspected(problem, "response", text, grader)


def inspect(problem: Problem, grader: Grader) -> Iterator[Graded]:
    """The oracle answer of a problem as an answer to it, and the worked solution, if it has them."""
    if problem.answer is None:
        return
    yield _graded(problem, "oracle", problem.answer, grader)
    if problem.solution is not None:
        yield _inspected(problem, "solution", problem.solution, grader)


def _responses(problem: Problem, path: Path) -> list[str]:
    several = problem.fields.get("responses", [])
    texts = [*([problem.fields["response"]] if "response" in problem.fields else []), *several]
    if not isinstance(several, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"{path}: problem {problem.id!r}: 'response' must be text, and 'responses' a list of texts"
        )
    return texts


def _inspected(problem: Problem, of: str, text: str, grader: Grader) -> Graded:
    lines = text.rstrip("\n").split("\n")
    found = grader.find_answer(text, problem)
    prefixes = ["\n".join(lines[:end]) + "\n" for end in range(1, len(lines))]
    stops = [
        grader.find_answer(prefix, problem) for prefix in prefixes if grader.is_complete(prefix, problem)
    ]
    early = sum(answer != found for answer in stops)
    return _graded(problem, of, found, grader, len(prefixes), early)


def _graded(
    problem: Problem, of: str, found: str | None, grader: Grader, prefixes: int = 0, early_stops: int = 0
) -> Graded:
    assert problem.answer is not None
    verdict = False if found is None else grader.grade(problem, [found])[0]
    return Graded(problem.id, of, found, problem.answer, verdict, prefixes, early_stops)
