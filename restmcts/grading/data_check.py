"""What is wrong with a file of problems, as far as it can be seen without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from restmcts.errors import InputError
from restmcts.grading.registry import Grader
from restmcts.problems.jsonl import read_lines
from restmcts.problems.problem import Problem
from restmcts.problems.splits import same_question


@dataclass(frozen=True, slots=True)
class Fault:
    """Something about a line that should be looked at. ``kind`` groups faults of one kind."""

    place: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The result of :func:`check_file`.

    Attributes:
        problems: lines that are problems.
        answered: those with an oracle answer.
        reachable: those whose oracle answer equals itself; no other can ever be reached.
        solved: those with a worked solution.
        solved_right: those whose worked solution has the oracle answer, as the grader finds it.
        faults: everything that should be looked at, in the order of the file.
    """

    problems: int
    answered: int
    reachable: int
    solved: int
    solved_right: int
    faults: tuple[Fault, ...]


def check_file(path: Path, grader: Grader, against: Path | None = None) -> FileCheck:
    """Look at every line of a file of problems.

    Args:
        path: what :func:`restmcts.problems.jsonl.load_problems` reads.
        grader: judges the oracle answers and the worked solutions.
        against: another file; a problem that is in both is a fault.

    Raises:
        InputError: ``against`` cannot be read.
    """
    lines = list(read_lines(path, require_answers=False))
    faults = [
        Fault(place, "unreadable", _without(place, found)) for place, found in lines if _is_error(found)
    ]
    rows = [(place, found) for place, found in lines if isinstance(found, Problem)]
    answered = [row for row in rows if row[1].answer is not None]
    unreachable = [row for row in answered if not _reaches(row[1], row[1].answer or "", grader)]
    solved = [row for row in answered if row[1].solution is not None]
    wrong = [row for row in solved if not _is_solved(row[1], grader)]
    faults += [Fault(place, "no answer", "no oracle answer") for place, found in rows if found.answer is None]
    faults += [
        Fault(place, "not equal to itself", f"the oracle answer {found.answer!r} does not equal itself")
        for place, found in unreachable
    ]
    faults += [
        Fault(
            place, "solution", f"the worked solution has {_found(found, grader)!r}, and not {found.answer!r}"
        )
        for place, found in wrong
    ]
    faults += [*_twice(rows), *_shared(rows, against)]
    order = {place: number for number, (place, _) in enumerate(lines)}
    return FileCheck(
        problems=len(rows),
        answered=len(answered),
        reachable=len(answered) - len(unreachable),
        solved=len(solved),
        solved_right=len(solved) - len(wrong),
        faults=tuple(sorted(faults, key=lambda fault: order[fault.place])),
    )


def _is_error(found: Problem | InputError) -> bool:
    return isinstance(found, InputError)


def _without(place: str, error: object) -> str:
    return str(error).removeprefix(f"{place}: ")


def _found(problem: Problem, grader: Grader) -> str | None:
    return grader.find_answer(problem.solution or "", problem)


def _is_solved(problem: Problem, grader: Grader) -> bool:
    found = _found(problem, grader)
    return found is not None and _reaches(problem, found, grader)


def _reaches(problem: Problem, answer: str, grader: Grader) -> bool:
    return grader.grade(problem, [answer])[0] is True


def _twice(rows: Iterable[tuple[str, Problem]]) -> Iterator[Fault]:
    """Ids and questions that stand on an earlier line already."""
    ids: dict[str, str] = {}
    questions: dict[str, str] = {}
    for place, problem in rows:
        if problem.id in ids:
            yield Fault(place, "id twice", f"the id {problem.id!r} stands at {ids[problem.id]} already")
        question = same_question(problem)
        if question in questions:
            yield Fault(place, "problem twice", f"the problem stands at {questions[question]} already")
        ids.setdefault(problem.id, place)
        questions.setdefault(question, place)


def _shared(rows: Iterable[tuple[str, Problem]], against: Path | None) -> Iterator[Fault]:
    if against is None:
        return
    others: dict[str, str] = {}
    for place, found in read_lines(against, require_answers=False):
        if isinstance(found, InputError):
            raise found
        others.setdefault(same_question(found), place)
    for place, problem in rows:
        other = others.get(same_question(problem))
        if other is not None:
            yield Fault(place, "in both files", f"the problem is in the other file too, at {other}")
