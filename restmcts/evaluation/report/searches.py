"""How searches ended, one by one: failures by kind, and the problems that are worth a look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from restmcts.evaluation.means import Problem
from store.events import SearchRecord

Ending = Literal["right", "wrong", "no answer", "answer not found", "no verdict", "failed", "not graded"]

ENDINGS: dict[Ending, str] = {
    "right": "the answer is that of the data set",
    "wrong": "the answer is another one",
    "no answer": "no solution was finished within the budget",
    "answer not found": "solutions were finished, and no answer was found in any",
    "no verdict": "the grader could not decide whether the answer is right",
    "failed": "the search was ended by an error, and has no answer",
    "not graded": "the problem has no answer to compare with",
}
"""How searches end, and what that means."""

SHOWN = 6
"""So many problems of a group are shown."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one search ended; ``number`` is the run's place in the report, ``tree`` its name in the run."""

    number: int
    run: str
    tree: str
    phase: str
    iteration: int
    evaluation: bool
    method: str
    problem: Problem
    answer: str | None
    oracle: str | None
    ending: Ending


@dataclass(frozen=True, slots=True)
class ProblemGroup:
    """Problems that have something in common, of which some are shown; ``total`` counts all."""

    title: str
    meaning: str
    total: int
    shown: tuple[Ended, ...]


def ending(record: SearchRecord) -> Ending:
    """How a search ended, by the answer of its own rule."""
    result = record.result
    if result.reason == "failed":
        return "failed"
    if result.answer is None:
        return "answer not found" if result.finished else "no answer"
    if result.correct is None:
        return "not graded" if record.header.oracle is None else "no verdict"
    return "right" if result.correct else "wrong"


def failures(searches: Iterable[Ended]) -> dict[tuple[str, str, str], Counter[Ending]]:
    """How many searches ended in each way, by run, phase and method."""
    found: dict[tuple[str, str, str], Counter[Ending]] = defaultdict(Counter)
    for one in searches:
        found[one.run, one.phase, one.method][one.ending] += 1
    return dict(found)


def problem_groups(searches: Sequence[Ended]) -> list[ProblemGroup]:
    """Groups of problems to look at, each with some of its searches; those without any are left out."""
    kinds: list[Ending] = ["failed", "no verdict", "answer not found", "no answer"]
    groups = [
        _group(f"searches: {kind}", ENDINGS[kind], [one for one in searches if one.ending == kind])
        for kind in kinds
    ]
    held_out = [one for one in searches if one.evaluation and one.ending in ("right", "wrong")]
    groups += _changes(held_out)
    groups += _last_iteration(held_out)
    return [group for group in groups if group.total]


def _changes(held_out: Sequence[Ended]) -> list[ProblemGroup]:
    """Problems that became right or wrong from the first evaluated iteration to the last."""
    by_key: dict[tuple[int, str, Problem], dict[int, Ended]] = defaultdict(dict)
    for one in held_out:
        by_key[one.number, one.method, one.problem].setdefault(one.iteration, one)
    learned, forgotten = [], []
    for found in by_key.values():
        first, last = found[min(found)], found[max(found)]
        if (first.ending, last.ending) == ("wrong", "right"):
            learned.append(last)
        elif (first.ending, last.ending) == ("right", "wrong"):
            forgotten.append(last)
    return [
        _group("learned", "wrong after the first evaluated iteration, right after the last", learned),
        _group("forgotten", "right after the first evaluated iteration, wrong after the last", forgotten),
    ]


def _last_iteration(held_out: Sequence[Ended]) -> list[ProblemGroup]:
    """Problems that no search of the last iteration is right on, and those that methods disagree on."""
    last: dict[int, int] = {}
    for one in held_out:
        last[one.number] = max(last.get(one.number, 0), one.iteration)
    by_problem: dict[tuple[int, Problem], list[Ended]] = defaultdict(list)
    for one in held_out:
        if one.iteration == last[one.number]:
            by_problem[one.number, one.problem].append(one)
    never = [found[0] for found in by_problem.values() if all(one.ending == "wrong" for one in found)]
    apart = [
        next(one for one in found if one.ending == "right")
        for found in by_problem.values()
        if len({one.method for one in found}) > 1 and len({one.ending for one in found}) > 1
    ]
    return [
        _group("never right", "no search of the last evaluated iteration is right", never),
        _group("methods disagree", "some methods are right after the last evaluated iteration", apart),
    ]


def _group(title: str, meaning: str, found: Sequence[Ended]) -> ProblemGroup:
    return ProblemGroup(title, meaning, len(found), tuple(found[:SHOWN]))
