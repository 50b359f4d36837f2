"""Verdicts that a person has changed, laid over what the grader said of the answers in stored trees.

The files of trees stay as they are: they hold what the grader said. Whoever reads trees reads them with the
overrides of the run (:func:`overlay`), so that labels, accuracies and replays have the same verdicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from store.events import Event, SearchRecord, Verified
from store.tree import fold


@dataclass(frozen=True, slots=True)
class Override:
    """A verdict of a person on one answer to one problem of a run.

    ``number`` counts the lines of the file from 1; ``time`` is in UTC. ``question`` is the digest of the text
    of the problem, see :func:`digest`, because another problem may have the same name. ``answer`` is as nodes
    have it. ``correct`` is None where the override before it is taken back.
    """

    number: int
    time: str
    problem: str
    question: str
    answer: str
    correct: bool | None
    reason: str


_NONE: Mapping[str, Override] = {}


class Overrides:
    """The overrides of a run; of several on one answer, the last counts.

    Args:
        log: all of them, in their order.
    """

    def __init__(self, log: Iterable[Override] = ()) -> None:
        self.log = tuple(log)
        self._by_problem: dict[tuple[str, str], dict[str, Override]] = defaultdict(dict)
        for override in self.log:
            key = override.problem, override.question
            self._by_problem[key][override.answer] = override
        self._problems = {override.problem for override in self.log}

    def __bool__(self) -> bool:
        return bool(self.log)

    def in_force(self) -> Iterator[Override]:
        """Those that count: neither replaced by another one nor taken back."""
        for answers in self._by_problem.values():
            yield from (override for override in answers.values() if override.correct is not None)

    def on(self, problem: str, question: str) -> Mapping[str, Override]:
        """Those that count on answers to a problem, by the answer; ``question`` is its text."""
        if problem not in self._problems:
            return _NONE
        answers = self._by_problem.get((problem, digest(question)), _NONE)
        return {answer: found for answer, found in answers.items() if found.correct is not None}

    def adding(
        self, problem: str, question: str, answer: str, correct: bool | None, reason: str
    ) -> Overrides:
        """These and another one, of this moment.

        Args:
            problem: the name of the problem.
            question: the :func:`digest` of its text.
            answer: as nodes have it.
            correct: the verdict; None takes an earlier one back.
            reason: why, in words.
        """
        time = datetime.now(UTC).isoformat()
        new = Override(len(self.log) + 1, time, problem, question, answer, correct, reason)
        return Overrides((*self.log, new))

    def before(self, time: str) -> Overrides:
        """What counted at a moment: a time as the journal has it."""
        return Overrides(override for override in self.log if override.time < time)


def digest(question: str) -> str:
    """The SHA-256 of the text of a problem, in hexadecimal."""
    return sha256(question.encode("utf-8", "backslashreplace")).hexdigest()


def overlay(record: SearchRecord, overrides: Overrides) -> SearchRecord:
    """The record with the verdicts of a person in place of those of the grader.

    Only verdicts change: on finished nodes with an answer that is overridden, and on the answer of the
    search. The same record comes back where there is nothing to change.

    Raises:
        ValueError: the events do not make a tree.
    """
    found = overrides.on(record.header.problem, record.header.question)
    if not found:
        return record
    verdicts = {
        node.id: found[node.answer].correct is True
        for node in fold(record.events).finished()
        if node.answer is not None and node.answer in found
    }
    events = tuple(_changed(event, verdicts) for event in record.events)
    if verdicts and not any(isinstance(event, Verified) for event in events):
        events = (*events, _changed(Verified((), ()), verdicts, everywhere=True))
    answer = found.get(record.result.answer or "")
    result = record.result if answer is None else replace(record.result, correct=answer.correct)
    if events == record.events and result == record.result:
        return record
    return replace(record, events=events, result=result)


def _changed(event: Event, verdicts: Mapping[int, bool], *, everywhere: bool = False) -> Event:
    """An event of a grader with other verdicts on the nodes that it names, or on all of them."""
    if not isinstance(event, Verified):
        return event
    named = dict(zip(event.nodes, event.correct, strict=True))
    changed = {
        node: verdict
        for node, verdict in verdicts.items()
        if everywhere or node in named or node in event.unverified
    }
    if not changed:
        return event
    named |= changed
    nodes = tuple(sorted(named))
    left = tuple(node for node in event.unverified if node not in changed)
    return replace(event, nodes=nodes, correct=tuple(named[node] for node in nodes), unverified=left)
