"""Which verdicts of a run deserve a second look: two graders compared on the answers in stored trees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from restmcts.grading.finding import AnswerFinder
from restmcts.problems.problem import Problem
from store.events import SearchRecord
from store.runs.overrides import Overrides
from store.tree import fold

Kind = Literal["disagreement", "no verdict", "no answer"]
"""``disagreement``: the graders have different verdicts; ``no verdict``: the grader of the run reached none;
``no answer``: no answer was found in a finished solution."""

KINDS: tuple[Kind, ...] = ("disagreement", "no verdict", "no answer")

LONGEST_END = 200
"""Characters at the end of a solution without an answer that are shown."""

Key = tuple[str, str]
"""A problem: its name and its text, because a run may have two problems of one name."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An answer to a problem that a person should look at.

    Attributes:
        kind: why.
        problem: the name of the problem.
        answer: the answer that was found, None where there is none.
        oracle: the oracle answer.
        verdict: that of the run.
        other: that of the other grader; None where it has none.
        found: what the other grader finds in a solution without an answer.
        end: the end of such a solution.
        solutions: finished solutions that this is about.
        trees: trees that have one.
        tree: one of them.
        node: the solution in this tree.
    """

    kind: Kind
    problem: str
    answer: str | None
    oracle: str | None
    verdict: bool | None
    other: bool | None
    found: str | None
    end: str | None
    solutions: int
    trees: int
    tree: str
    node: int


@dataclass(slots=True)
class _Group:
    """Solutions of a problem with the same answer and verdict, or without an answer."""

    answer: str | None
    verdict: bool | None
    found: str | None
    end: str | None
    tree: str
    node: int
    solutions: int = 0
    trees: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Answered:
    """A problem with the solutions in stored trees."""

    problem: Problem
    groups: dict[tuple[str | None, bool | None, str | None], _Group] = field(default_factory=dict)

    def take(self, record: SearchRecord, other: AnswerFinder) -> None:
        """Count the finished solutions of a search."""
        tree = fold(record.events)
        for node in tree.finished():
            found = end = None
            if node.answer is None:
                text = tree.text(node.id)
                found, end = other.find_answer(text, self.problem), text[-LONGEST_END:]
            new = _Group(node.answer, node.correct, found, end, record.header.id, node.id)
            group = self.groups.setdefault((node.answer, node.correct, found), new)
            group.solutions += 1
            group.trees.add(record.header.id)

    def answers(self) -> list[str]:
        """The different answers."""
        return list(dict.fromkeys(group.answer for group in self.groups.values() if group.answer is not None))


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what was found.

    ``solutions``: finished solutions; ``answers``: different answers to problems with an oracle answer;
    ``overridden``: those of them whose verdict a person has given, which are no doubts any more.
    """

    doubts: tuple[Doubt, ...]
    solutions: int
    answers: int
    overridden: int


Grade = Callable[[Problem, Sequence[str]], Sequence[bool | None]]


def audit(
    records: Iterable[SearchRecord],
    problems: Mapping[Key, Problem],
    other: AnswerFinder,
    grade: Grade,
    overrides: Overrides,
) -> Audit:
    """Compare the verdicts in trees with those of another grader.

    Args:
        records: verified searches.
        problems: the problems as they were graded; of others, what the searches say is taken.
        other: finds answers where the grader of the run found none.
        grade: the verdicts of the other grader.
        overrides: verdicts that a person has given.

    Returns:
        The doubts by kind, the most frequent first.
    """
    answered: dict[Key, _Answered] = {}
    for record in records:
        header = record.header
        key = header.problem, header.question
        if key not in answered:
            said = Problem(header.problem, header.question, header.oracle)
            answered[key] = _Answered(problems.get(key, said))
        if answered[key].problem.answer is not None:
            answered[key].take(record, other)
    doubts: list[Doubt] = []
    overridden = 0
    for key, one in answered.items():
        decided = overrides.on(*key).keys() & set(one.answers())
        overridden += len(decided)
        doubts += _doubts(one, decided, grade)
    doubts.sort(key=lambda doubt: (KINDS.index(doubt.kind), -doubt.solutions, doubt.problem))
    return Audit(
        tuple(doubts),
        solutions=sum(group.solutions for one in answered.values() for group in one.groups.values()),
        answers=sum(len(one.answers()) for one in answered.values()),
        overridden=overridden,
    )


def _doubts(one: _Answered, decided: Collection[str], grade: Grade) -> Iterator[Doubt]:
    """The doubts about the answers to a problem that no person has decided about."""
    undecided = [answer for answer in one.answers() if answer not in decided]
    verdicts = dict(zip(undecided, grade(one.problem, undecided), strict=True)) if undecided else {}
    for group in one.groups.values():
        other = None if group.answer is None else verdicts.get(group.answer)
        kind = None if group.answer in decided else _kind(group, other)
        if kind is not None:
            yield _doubt(kind, one.problem, group, other)


def _doubt(kind: Kind, problem: Problem, group: _Group, other: bool | None) -> Doubt:
    return Doubt(
        kind=kind,
        problem=problem.id,
        answer=group.answer,
        oracle=problem.answer,
        verdict=group.verdict,
        other=other,
        found=group.found,
        end=group.end,
        solutions=group.solutions,
        trees=len(group.trees),
        tree=group.tree,
        node=group.node,
    )


def _kind(group: _Group, other: bool | None) -> Kind | None:
    if group.answer is None:
        return "no answer"
    if group.verdict is None:
        return "no verdict"
    return None if other in (None, group.verdict) else "disagreement"
