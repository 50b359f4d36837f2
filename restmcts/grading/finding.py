r"""The answer that a trace states: found by rule, without a model.

A trace marks its answer with ``\boxed{...}``, with "the answer is ...", "Answer: ..." or with the
``#### ...`` of GSM8K; without a mark the last number is taken.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

from restmcts.grading.normalize import normalize_answer
from restmcts.problems.problem import Problem

__all__ = ["AnswerFinder", "AnswerMode", "MathAnswers", "find_answer", "is_complete", "normalize_answer"]

AnswerMode = Literal["any", "marked", "last-line"]

MAX_TEXT = 100_000
"""Only so many characters at the end of a text are searched."""

_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\\boxed[ ]+([^\s{}$]+)")
_MARK = re.compile(
    r"####[^\S\n]*|\banswer(?:\s+to\s+[^\n.]{1,80}?)?[*_]{0,2}(?:\s+is\b|[^\S\n]*[:=])[:*_]*[^\S\n]*",
    re.IGNORECASE,
)
_MATH = re.compile(r"\$\$([^$\n]+)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]")
_VALUE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?|\.[0-9]+"
_NUMBER = re.compile(
    rf"(?:(?<![\w)\]}}])-)?(?:\\[dtc]?frac\{{-?[0-9]+\}}\{{[0-9]+\}}|(?<![\w.])\\?\$?-?(?:{_VALUE})%?)"
)
_LEADING_NUMBER = re.compile(
    rf"(-?\\?\$?-?(?:{_VALUE})\\?%?)(?:[.,;:!?]?\s*$|[.,;:]?\s+(?=[A-Za-z]{{2}}|\())"
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_UNFINISHED = re.compile(r"(?:not|by|found|given|obtained|as|that|what|because)\b", re.IGNORECASE)
_MAX_WORDS = 4


def find_answer(text: str, mode: AnswerMode = "any") -> str | None:
    r"""The answer in ``text`` as it is written there, or None.

    ``any``: the last ``\boxed{...}``, else the last "answer is", else the last number. ``marked``: only
    the first two. ``last-line``: the last number on the last line that is not blank. Any text is allowed,
    nothing is raised, and the time grows with the length of the text only.
    """
    text = text[-MAX_TEXT:]
    if mode == "last-line":
        return _last_number(text.rstrip().rpartition("\n")[2])
    answer = _boxed(text) or _after_mark(text)
    return answer or _last_number(text) if mode == "any" else answer


class AnswerFinder(Protocol):
    """Finds the answer in the text of a solution; what every grader can do.

    Both methods are called once for each step of a search: they return at once, raise nothing whatever the
    text is, and give the same for the same text and problem.
    """

    def find_answer(self, text: str, problem: Problem) -> str | None:
        """The answer in the text of a finished solution, or None.

        Equal answers should be equal strings: votes are counted by them. Write them in one spelling.
        """
        ...

    def is_complete(self, text: str, problem: Problem) -> bool:
        """Whether a partial solution states its answer already, so that nothing has to follow."""
        ...


class MathAnswers:
    """Finds numbers and expressions by the rules of this module; the problem makes no difference."""

    def find_answer(self, text: str, problem: Problem) -> str | None:
        """The answer of :func:`find_answer`, normalized."""
        answer = find_answer(text)
        return None if answer is None else normalize_answer(answer)

    def is_complete(self, text: str, problem: Problem) -> bool:
        """Whether the text marks its answer; see :func:`is_complete`."""
        return is_complete(text)


def is_complete(text: str) -> bool:
    """Does the partial solution ``text`` state its answer already? (the self-critic by rule)"""
    return find_answer(text, "marked") is not None


def _boxed(text: str) -> str | None:
    r"""The content of the last ``\boxed{...}`` whose braces close; the innermost of nested ones."""
    opened: list[int] = []
    best = (-1, "")
    for match in _BRACES.finditer(text):
        token = match[0]
        if token == "{":
            opened.append(-1)
        elif token == "}":
            start = opened.pop() if opened else -1
            if start > best[0]:
                best = (start, text[start : match.start()])
        elif len(token) > 2:
            opened.append(match.end())
    bare = _last(_BARE_BOX, text)
    if bare is not None and bare.start(1) > best[0]:
        return bare[1].rstrip(".,;:") or None
    return best[1].strip() or None


def _after_mark(text: str) -> str | None:
    """What follows the last "answer is", "Answer:" or "####" that anything sensible follows."""
    found = None
    for match in _MARK.finditer(text):
        found = _stated(text[match.end() : match.end() + 500].partition("\n")[0].strip()) or found
    return found


def _stated(phrase: str) -> str | None:
    """The answer at the beginning of ``phrase``, or None when it reads like a sentence that goes on."""
    phrase = phrase.lstrip(" *_`:")
    math = _MATH.match(phrase)
    if math is not None:
        return next(group for group in math.groups() if group is not None).strip() or None
    number = _LEADING_NUMBER.match(phrase)
    if number is not None and not re.match(r"(?:and|or|to)\b", phrase[number.end() :]):
        return number[1]
    end = _SENTENCE_END.search(phrase)
    phrase = (phrase if end is None else phrase[: end.start()]).strip(" *_`:")
    if _UNFINISHED.match(phrase) or phrase.count("{") != phrase.count("}"):
        return None
    symbolic = re.search(r"[0-9\\^]", phrase) is not None
    return phrase if phrase and (symbolic or len(phrase.split()) <= _MAX_WORDS) else None


def _last_number(text: str) -> str | None:
    found = _last(_NUMBER, text)
    return None if found is None else found[0]


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found
