r"""The answer that a trace states: found by rule, without a model.

A trace states its answer in ``\boxed{...}``, in ``<answer>...</answer>``, behind ``####`` as GSM8K does, or
behind words such as "the answer is" and "Answer:". The last statement counts. A step that only announces an
answer ("Answer: first, we add", "if the answer is 3") states none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from restmcts.grading.maths.normalize import normalize_answer
from restmcts.grading.maths.notation import without_empty_space
from restmcts.problems.problem import Problem

__all__ = ["AnswerFinder", "AnswerMode", "MathAnswers", "find_answer", "is_complete", "normalize_answer"]

AnswerMode = Literal["any", "marked", "last-line"]

MAX_TEXT = 100_000
"""Only so many characters at the end of a text are searched."""

_LONGEST_PHRASE = 500
_LONGEST_CHAIN = 200

_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\\boxed[ ]+(-?[0-9][^\s{}$]*|[A-Z](?![\w])|\\[a-z]+\{[^\s$]*\})")
_BETWEEN_BOXES = re.compile(
    r"[\s$,;]*(?:\\text\{\s*)?(?:and|or|,|&)?(?:\s*\})?[\s$,;~]*|\\\)[\s,;]*(?:and|or)?\s*\\\("
)
TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_MARK = re.compile(
    r"(?P<hashes>^[ \t]*####|(?<=[\s.])####)[^\S\n]*"
    r"|(?P<final>\bfinal\s+)?\banswers?\b(?P<to>\s+(?:to|for)\s+[^\n.,:=]{1,80}?)?[*_]{0,2}"
    r"(?:\s+(?:is|are|was|equals|becomes|will be|would be|must be|should be|can be|seems to be"
    r"|turns out to be|comes out (?:to|as)(?: be)?)\b[:*_]*|[^\S\n]*[:=][*_]*)[^\S\n]*"
    r"|^[ \t]*(?:\#{1,6}[ \t]*|[*_]{2})(?:final\s+)?answer[ \t]*[*_]{0,2}[ \t]*(?=\n)",
    re.IGNORECASE | re.MULTILINE,
)
HEDGED = re.compile(
    r"\b(?:if|whether|when|until|unless|suppose|assum\w+|check|verify)\s+(?:that\s+)?(?:(?:the|our|my|your|this|an?)\s+)?"
    r"(?:(?:correct|right)\s+)?$"
    r"|(?:/|\b(?:first|second|third|fourth|fifth|each|every|another|next|previous|wrong|incorrect|intermediate"
    r"|initial)\s+)$",
    re.IGNORECASE,
)
"""What stands before an answer that is not stated: "if the answer is 3", "the first answer is"."""
_CALCULATION = re.compile(r"<<[^<>\n]{0,200}>>")
_CHAIN = re.compile(
    r"[^.\n]*?[0-9)}\]](?: [A-Za-z]{1,20}){0,3} ?(?:[-+*/\u00d7÷]|\\times|\\cdot|\\div)[^.\n=]*(?:=[^=\n]*?)*"
    r"=(?P<result>[^=\n]+)"
)
_MATH = re.compile(
    r"\$\$((?:\\\$|[^$])+?)\$\$|\$((?:\\\$|[^$\n])+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL
)
_ADVERB = re.compile(
    r"(?:therefore|thus|hence|so|then|simply|just|exactly|precisely|approximately|roughly|about|clearly|indeed|now"
    r"|also|actually|finally|equal\s+to|equals|given\s+by|found\s+to\s+be|obtained\s+as|to\s+be|either|only|:|=)"
    r"(?![A-Za-z])[\s,:]*",
    re.IGNORECASE,
)
_SIGN = r"(?:(?<![\w)\]}])[-\u2212\u2013] ?)?"
_VALUE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?|\.[0-9]+"
_POWER_OF_TEN = (
    r"(?: ?(?:\\times|\\cdot|[\u00d7x*]) ?10 ?(?:\^|\*\*) ?\{?[-+\u2212]?[0-9]+\}?"
    r"|[eE][-+]?[0-9]+(?![0-9A-Za-z]))?"
)
_PLAIN = rf"\\?[$€£¥]?[-\u2212\u2013]?\\?[$€£¥]?(?:{_VALUE}){_POWER_OF_TEN}(?:\^\{{?-?[0-9]+\}}?)?\\?%?"
_NUMBER = re.compile(
    rf"{_SIGN}(?:\\[dtc]?frac\{{-?[0-9]+\}}\{{[0-9]+\}}|\(\s*{_PLAIN}(?:\s*,\s*{_PLAIN})+\s*\)"
    rf"|(?<![\w.^])(?<!\^\{{)(?<!\^\{{-)(?<!\^-)(?<!_\{{){_PLAIN})"
)
_LEADING_NUMBER = re.compile(
    rf"({_PLAIN}(?:,\s*\\!\s*[0-9]{{3}}|\\,[0-9]{{3}})*)"
    r"(?:[.,;:!?]?\s*$|[.,;:]?\s+(?=[A-Za-z]{2}|\()|[.;:]\s+(?=[A-Z*\\$]))"
)
_LIST_GOES_ON = re.compile(r"(?:,|and\b|or\b|to\b)\s*[-0-9\\$(]|(?:and|or|to)\b")
_MORE_MATH = re.compile(r"\s*(,|,?\s*and|,?\s*or)\s+(?=\$|\\\()")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_SUBJECT = re.compile(
    r"(?:the|an?|its?|there|this|that|these|those|he|she|they|we|you|[A-Z][\w']*)\b[^.\n=]{0,120}?"
    r"(?:\b(?:is|are|was|were|equals|costs?|has|have|had|needs?|gets?|makes?|earns?|spends?|takes?|pays?|sells?)\b|=)\s*",
    re.IGNORECASE,
)
_PROSE = re.compile(
    r"\b(?:is|are|was|were|be|we|you|they|he|she|it|first|let|compute|calculate|find|found|given|obtained|because|since"
    r"|that|what|which|when|if|not|by|as|in|of|the|sum|product|correct|right|wrong|consistent|same|following|below"
    r"|above|step|clear|need|will|can|must|should|would|here|how|to|wait|check|verify|between|with|for|from)\b",
    re.IGNORECASE,
)
_STEP = re.compile(r"(?:step|part|case|question|problem|solution|example)\b", re.IGNORECASE)
_CHOICE = re.compile(r"(\(?[A-Z]\)?)(?:[.:)]|\s*$|\s+(?=[(\d\\$]))")
_NO_VALUE = re.compile(
    r"(?:\\[,;:! ]|\\(?:quad|text|mathrm|left|right|big|displaystyle|dots|ldots)(?![A-Za-z])"
    r"|[\s{}~()\[\].?_$*-])*"
    r"|\W*(?:your |the |final )*answer(?: here)?\W*",
    re.IGNORECASE,
)
_MAX_WORDS = 4


@dataclass(frozen=True, slots=True)
class Statement:
    """An answer as it is written, and where the statement ends in the text."""

    end: int
    answer: str


def find_answer(text: str, mode: AnswerMode = "any") -> str | None:
    r"""The answer in ``text`` as it is written there, or None.

    ``any``: the last statement of an answer, else the last number. ``marked``: the last statement alone.
    ``last-line``: the last number on the last line that is not blank. A ``\boxed{`` that is not closed at the
    end of the text has no answer yet. Any text is allowed, nothing is raised, and the time grows with the
    length of the text only.
    """
    text = text[-MAX_TEXT:]
    if "<<" in text:
        # The calculations that GSM8K notes repeat what stands behind them.
        text = _CALCULATION.sub("", text)
    if "\\" in text:
        text = without_empty_space(text)
    if mode == "last-line":
        return _last_number(text.rstrip().rpartition("\n")[2])
    boxes, unclosed = boxes_in(text) if "box" in text else ([], None)
    last = max((*boxes, *_tags(text), *_marks(text)), key=lambda found: found.end, default=None)
    if unclosed is not None and (last is None or last.end <= unclosed):
        return None
    if last is not None:
        return last.answer
    return _last_number(text) if mode == "any" else None


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


def boxes_in(text: str) -> tuple[list[Statement], int | None]:
    r"""The last ``\boxed{...}`` with a value, and where the last box that does not close begins.

    Of nested boxes the innermost counts. Boxes with only "and", "or" or commas between them are one list.
    """
    opened: list[int] = []
    closed: list[tuple[int, int]] = []
    for match in _BRACES.finditer(text):
        token = match[0]
        if token == "{":
            opened.append(-1)
        elif token == "}":
            start = opened.pop() if opened else -1
            if (
                start >= 0
                and not (closed and closed[-1][0] > start)
                and _has_value(text[start : match.start()])
            ):
                closed.append((start, match.start()))
        elif len(token) > 2:
            opened.append(match.end())
    unclosed = max((start for start in opened if start >= 0), default=None)
    bare = last_match(_BARE_BOX, text)
    if bare is not None and (not closed or bare.start(1) > closed[-1][0]):
        answer = bare[1].rstrip(".,;:")
        return [Statement(bare.end(), answer)] if answer else [], unclosed
    return [_listed(text, closed)] if closed else [], unclosed


def _listed(text: str, closed: list[tuple[int, int]]) -> Statement:
    first = len(closed) - 1
    while first and _BETWEEN_BOXES.fullmatch(_between(text, closed[first - 1], closed[first])):
        first -= 1
    answers = dict.fromkeys(text[start:end].strip() for start, end in closed[first:])
    return Statement(closed[-1][1], ", ".join(answers))


def _between(text: str, left: tuple[int, int], right: tuple[int, int]) -> str:
    opening = text.rfind("\\", left[1], right[0])
    return text[left[1] + 1 : opening][:100]


def _has_value(content: str) -> bool:
    return _NO_VALUE.fullmatch(content) is None


def last_tag(text: str) -> str | None:
    """What stands in the last ``<answer>…</answer>``, as it is written; None where there is none."""
    found = last_match(TAG, text[-MAX_TEXT:]) if "<" in text else None
    return None if found is None else found[1].strip() or None


def _tags(text: str) -> Iterator[Statement]:
    for tag in TAG.finditer(text) if "<" in text else ():
        inside = tag[1].strip()
        boxes, _ = boxes_in(inside)
        answer = boxes[0].answer if boxes else _stated(inside, final=True) or inside
        if _has_value(answer) and len(answer) < _LONGEST_PHRASE:
            yield Statement(tag.end(), answer)


def _marks(text: str) -> Iterator[Statement]:
    """What follows each "answer is", "Answer:" or "####", where a value follows."""
    # Most steps hold no mark, and looking for these words is a fraction of the work.
    if "####" not in text and "answer" not in text.lower():
        return
    for match in _MARK.finditer(text):
        line = text.rfind("\n", 0, match.start()) + 1
        if match["hashes"] is None and HEDGED.search(text[max(line, match.start() - 80) : match.start()]):
            continue
        phrase = _phrase(text, match.end())
        answer = _stated(phrase, final=match["final"] is not None)
        if answer is not None:
            yield Statement(match.end() + 1, answer)


def _phrase(text: str, start: int) -> str:
    """What stands behind a mark: the rest of the line, or the next line if that is empty; a whole display."""
    rest = text[start : start + _LONGEST_PHRASE].lstrip(" \t*_`:")
    if rest.startswith("\n") or not rest:
        rest = rest.lstrip("\n \t*_`:>")
        if _STEP.match(rest):
            return ""
    if rest.startswith(("$$", r"\[")):
        return rest
    return rest.partition("\n")[0].strip()


def _stated(phrase: str, *, final: bool) -> str | None:
    """The value at the beginning of ``phrase``, or None when it reads like a sentence that goes on.

    Args:
        final: the mark says that the final answer follows; a sentence that ends with a value is one then.
    """
    phrase = phrase.lstrip(" *_`:")
    if _STEP.match(phrase) or not phrase:
        return None
    phrase = _without_adverbs(phrase)
    end = _SENTENCE_END.search(phrase)
    sentence = (phrase if end is None else phrase[: end.start()]).strip(" *_`:")
    chain = _CHAIN.fullmatch(sentence[:_LONGEST_CHAIN])
    if chain is not None and phrase[:1] not in ("$", "\\"):
        return _whole_value(chain["result"])
    found = _formulas(phrase) or _leading_value(phrase)
    if found is not None:
        return found
    if final:
        subject = _SUBJECT.match(sentence)
        if subject is not None:
            return _whole_value(sentence[subject.end() :])
    return _short_text(sentence)


def _without_adverbs(phrase: str) -> str:
    while (adverb := _ADVERB.match(phrase)) is not None:
        phrase = phrase[adverb.end() :].lstrip(" *_`:")
    return phrase


def _formulas(phrase: str) -> str | None:
    r"""The formula at the beginning, or several with "and" or "or" between them."""
    found: list[str] = []
    while (math := _MATH.match(phrase)) is not None:
        content = next(group for group in math.groups() if group is not None).strip().rstrip(".,;")
        if not _has_value(content):
            return None
        boxes, _ = boxes_in(content)
        found.append(boxes[0].answer if boxes else content)
        phrase = phrase[math.end() :]
        more = _MORE_MATH.match(phrase)
        if more is None:
            break
        found.append(" or " if "or" in more[1] else ", ")
        phrase = phrase[more.end() :]
    if found and found[-1] in (" or ", ", "):
        found.pop()
    return "".join(found) or None


def _leading_value(phrase: str) -> str | None:
    number = _LEADING_NUMBER.match(phrase)
    if number is not None and not _LIST_GOES_ON.match(phrase[number.end(1) :].lstrip()):
        return number[1]
    choice = _CHOICE.match(phrase)
    return None if choice is None else choice[1]


def _whole_value(phrase: str) -> str | None:
    phrase = _without_adverbs(phrase.strip(" *_`:"))
    return _formulas(phrase) or _leading_value(phrase) or _short_text(phrase)


def _short_text(phrase: str) -> str | None:
    """A symbolic answer, or a few words; None for what reads like prose."""
    words = re.sub(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\\[A-Za-z]+", " ", phrase)
    prose = _PROSE.search(words)
    if (
        not phrase
        or phrase.count("{") != phrase.count("}")
        or not _has_value(phrase)
        or phrase.endswith("\\[")
    ):
        return None
    symbolic = re.search(r"[0-9\\^]", phrase) is not None
    plain_words = re.findall(r"[^\W\d_]{2,}", words)
    if prose is not None or len(plain_words) > (_MAX_WORDS + 2 if symbolic else _MAX_WORDS):
        return None
    return phrase


def _last_number(text: str) -> str | None:
    """The last number; what stands in a box that is not closed is none."""
    found = last_match(_NUMBER, text)
    return None if found is None else found[0]


def last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found
