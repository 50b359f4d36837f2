r"""The grader ``choice``: the letter that a solution chooses, compared with that of the oracle answer.

A choice is stated in ``\boxed{…}``, in ``<answer>…</answer>``, behind ``####``, and by words such as "the
answer is (C)", "option C is correct" and "答案是 C". The last statement counts. A finished solution without a
statement chooses by its last line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from restmcts.grading.choices import (
    Options,
    by_text,
    options_of,
    read_choice,
    with_plain_signs,
    without_wrapping,
)
from restmcts.grading.finding import HEDGED, MAX_TEXT, TAG, Statement, boxes_in
from restmcts.grading.registry import GraderKind
from restmcts.problems.problem import Problem

_LONGEST_PHRASE = 500
_MOST_STATEMENTS = 100
"""So many statements are read, from the last one on; no solution has as many."""

_MARK = re.compile(
    r"(?P<hashes>^[ \t]*####)[^\S\n]*"
    r"|\b(?:answer|option|choice)(?:\s+(?:choice|option|letter))?(?:\s+(?:to|for|of|among)\s+[^\n.,:=]{1,80}?)?"
    r"[*_]{0,2}(?:\s+(?:is|was|will\s+be|would\s+be|must\s+be|should\s+be|has\s+to\s+be|seems\s+to\s+be"
    r"|turns\s+out\s+to\s+be)\b[:*_]*|[^\S\n]*[:=][*_]*)"
    r"|\b(?:(?:I|we)\s+(?:would\s+|will\s+)?(?:choose|select|pick|go\s+with)|(?:choose|select))\b"
    r"|答案(?:选项)?(?:应该|应当|应)?(?:是|为|选择?|[:])+|(?:故|应|因此|所以|正确)选(?:择|项)?(?:是|为|[:])?"
    r"|^[ \t]*(?:\#{1,6}[ \t]*|[*_]{2})(?:final\s+)?answer[ \t]*[*_]{0,2}[ \t]*(?=\n)",
    re.IGNORECASE | re.MULTILINE,
)
_SAID = re.compile(
    r"(?:\b(?i:option|choice|answer)\s+)?(?:\(([A-J])\)|(?<![\w'\\-])([A-J])(?![\w']))[*_]*\s+"
    r"(?:is|must\s+be|should\s+be|would\s+be)\s+(?:(?:therefore|thus|clearly|indeed|definitely|the|our|only"
    r"|most\s+likely|probably)\s+){0,3}(?:(?:correct|right|best)\b(?:\s+(?:answer|choice|option))?|answer\b)"
)
_WORD = re.compile(r"answer|option|choice|choose|select|pick|go\s+with|####|答案|选", re.IGNORECASE)
_LAST_LETTER = re.compile(r"\W*\(?([A-J])\)?\W*|\(?([A-J])[).:]\s.*|.*\(([A-J])\)\W*", re.DOTALL)
_ANY_LETTER = re.compile(r"\(([A-J])\)")


class ChoiceGrader:
    """Finds and compares the letters of choices, A to J; see :func:`restmcts.grading.choices.options_of`."""

    def find_answer(self, text: str, problem: Problem) -> str | None:
        """The letter that a finished solution chooses, or None."""
        text, options = _end_of(text), options_of(problem)
        return _stated(text, options) or _in_last_line(text, options)

    def is_complete(self, text: str, problem: Problem) -> bool:
        """Whether the text states its choice already."""
        return _stated(_end_of(text), options_of(problem)) is not None

    def grade(self, problem: Problem, answers: Sequence[str]) -> list[bool | None]:
        """Whether each answer is the letter of the oracle answer, which may also be the text of an option.

        None for all where the oracle answer names no option.
        """
        assert problem.answer is not None
        options = options_of(problem)
        oracle = read_choice(problem.answer, options)
        if oracle is None:
            return [None] * len(answers)
        return [read_choice(answer, options) == oracle for answer in answers]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _end_of(text: str) -> str:
    return with_plain_signs(text[-MAX_TEXT:])


def _stated(text: str, options: Options) -> str | None:
    """The choice of the last statement; None where a box that is not closed follows it."""
    boxes, unclosed = boxes_in(text) if "box" in text else ([], None)
    found = sorted((*boxes, *_tagged(text), *_marked(text), *_said(text)), key=lambda one: one.end)
    for statement in reversed(found[-_MOST_STATEMENTS:]):
        if unclosed is not None and statement.end <= unclosed:
            return None
        letter = read_choice(statement.answer, options)
        if letter is not None:
            return letter
    return None


def _tagged(text: str) -> Iterator[Statement]:
    for tag in TAG.finditer(text) if "<" in text else ():
        yield Statement(tag.end(), tag[1].strip())


def _marked(text: str) -> Iterator[Statement]:
    if _WORD.search(text) is None:
        return
    for mark in _MARK.finditer(text):
        line = text.rfind("\n", 0, mark.start()) + 1
        if mark["hashes"] is None and HEDGED.search(text[max(line, mark.start() - 80) : mark.start()]):
            continue
        rest = text[mark.end() : mark.end() + _LONGEST_PHRASE].lstrip(" \t*_`:\n")
        yield Statement(mark.end() + 1, rest.partition("\n")[0])


def _said(text: str) -> Iterator[Statement]:
    """Letters that are said to be the correct one."""
    for said in _SAID.finditer(text):
        line = text.rfind("\n", 0, said.start()) + 1
        if not HEDGED.search(text[max(line, said.start() - 80) : said.start()]):
            yield Statement(said.end(), f"({said[1] or said[2]})")


def _in_last_line(text: str, options: Options) -> str | None:
    line = text.rstrip().rpartition("\n")[2].strip()[-_LONGEST_PHRASE:]
    found = _LAST_LETTER.fullmatch(without_wrapping(line))
    if found is None:
        return by_text(line, options)
    letter = found[found.lastindex or 1]
    several = len({*_ANY_LETTER.findall(line), letter}) > 1
    return letter if not several and (not options or letter in options) else None


CHOICE = GraderKind(ChoiceGrader, "the letter of a choice, A to J")
