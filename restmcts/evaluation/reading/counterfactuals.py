"""Stored searches answered anew: by other rules, at other budgets, with other constants, by another grader.

Nothing is searched: a stored search holds every event with what it cost, so what it would have answered
elsewhere is a function of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from restmcts.evaluation.reading.outcomes import Reading, RowOutcomes, outcomes_at
from restmcts.grading.finding import AnswerFinder
from restmcts.problems.problem import Problem
from store.answering.rules import RULES
from store.events import Critiqued, Event, Header, SearchRecord, Stopped, Verified
from store.tree import Node, Tree, fold

CONSTANTS = "constants"
"""The key of a header's settings that holds the constants of answer rules."""

How = Callable[[Header], Reading]
"""Says how the searches of a header are read: by which rules, and at which budgets."""


@dataclass(slots=True)
class Answered:
    """Searches of one kind, answered anew.

    Attributes:
        header: that of the first one.
        trees: how many they are.
        rows: by rule and budget, the outcomes of the problems.
        unreadable: the rules that read values which these searches do not have.
        ends: finished solutions that have a verdict: the problem, the value and the log-probability of the
            solution (None: unknown), and whether it is right.
    """

    header: Header
    trees: int = 0
    rows: dict[tuple[str, float | None], RowOutcomes] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    ends: list[tuple[str, float | None, float | None, bool]] = field(default_factory=list)

    def add(self, record: SearchRecord, reading: Reading) -> None:
        """Answer one more search."""
        self.trees += 1
        tree = fold(record.events)
        self.unreadable |= {rule for rule in reading.rules if not readable(tree, rule)}
        problem = record.header.problem, record.header.question
        for rule, curve in outcomes_at(record, reading).items():
            for outcome in curve:
                self.rows.setdefault((rule, outcome.budget), RowOutcomes()).add(problem, outcome)
        self.ends += [
            (record.header.problem, node.score, log_probability(tree, node), node.correct)
            for node in tree.finished()
            if node.correct is not None
        ]


def answer_anew(records: Iterable[SearchRecord], how: How) -> list[Answered]:
    """Answer verified searches by each of the rules at each of the budgets; one for each kind of search.

    Searches are of one kind where method, settings, models and budget are the same.
    """
    found: dict[str, Answered] = {}
    for record in records:
        kind = found.setdefault(kind_of(record.header), Answered(record.header))
        kind.add(record, how(record.header))
    return list(found.values())


def kind_of(header: Header) -> str:
    """What a search was, apart from its problem and its seed; equal for searches of one kind.

    The rules by which its tree was to be read do not count, and neither do the constants of these rules.
    """
    settings = {
        key: value
        for key, value in header.settings.items()
        if key not in ("read_by", CONSTANTS) and value is not None
    }
    return repr((header.method, sorted(settings.items()), header.policy, header.value, header.budget))


def readable(tree: Tree, rule: str) -> bool:
    """Whether a tree has the values that a rule reads, of one answered solution at least, if it has any."""
    reads = RULES[rule].reads
    ends = [node for node in tree.finished() if node.answer is not None]
    if reads == "nothing" or not ends:
        return True
    paths = ([node] if reads == "leaf" else tree.path(node.id) for node in ends)
    return any(all(member.score is not None for member in path) for path in paths)


def log_probability(tree: Tree, node: Node) -> float | None:
    """The log-probability of a partial solution under the policy; None where that of a step is unknown."""
    steps = [step.logprob for step in tree.steps(node.id)]
    known = [logprob for logprob in steps if logprob is not None]
    return sum(known) if len(known) == len(steps) else None


def with_constants(record: SearchRecord, constants: Mapping[str, Any]) -> SearchRecord:
    """The search with other constants for its answer rules; those that are not named stay."""
    known = record.header.settings.get(CONSTANTS) or {}
    settings = record.header.settings | {CONSTANTS: {**known, **constants}}
    return replace(record, header=replace(record.header, settings=settings))


def found_anew(record: SearchRecord, problem: Problem, finder: AnswerFinder) -> SearchRecord:
    """The search without verdicts, and with the answers that ``finder`` finds in its finished solutions.

    Which solutions are finished stays as it was, since the search went on from there.
    """
    tree = Tree()
    events: list[Event] = []
    answers: dict[int, str | None] = {}
    for event in record.events:
        tree.apply(event)
        if isinstance(event, Verified):
            continue
        if isinstance(event, Critiqued) and event.finished:
            answers[event.node] = finder.find_answer(tree.text(event.node), problem)
            event = replace(event, answer=answers[event.node])
        elif isinstance(event, Stopped) and event.node is not None:
            event = replace(event, answer=answers.get(event.node))
        events.append(event)
    stopped = tree.stopped
    answer = None if stopped is None or stopped.node is None else answers.get(stopped.node)
    return replace(record, events=tuple(events), result=replace(record.result, answer=answer, correct=None))
