"""Filters of searches as text: words such as ``method:mcts solved:no depth>6 step:"carry the"``.

Words are separated by spaces, and all of them hold. ``NAME:VALUE`` names what a search is to have; figures
are compared (``depth>6``, ``tokens<=200``, ``nodes=33``, ``depth:3..6``); a word without a name is looked for
in problem names, questions and answers. A value in double quotes may have spaces; in it, ``\\"`` is a quote
and ``\\\\`` a backslash. A quote that is still open at the end is taken as closed there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from store.errors import InputError
from store.events import StopReason
from store.index.reading.filters import FIGURES
from store.nearby import alike
from store.queries import STEP_TEXT_LEAST, Range, TreeFilter, TreeKind

KINDS: tuple[TreeKind, ...] = get_args(TreeKind)
"""The kinds of searches, in the order of their keys in the list of trees."""

SOLVED = {"yes": True, "no": False}

WORDS = {
    "phase": "a phase; again for further ones",
    "method": "a method; again for further ones",
    "iteration": "the iteration of the phase",
    "solved": "yes, or no: wrong or not verified",
    "reason": f"why the search ended: {', '.join(get_args(StopReason))}",
    "problem": "the whole name of a problem",
    "text": "in problem names, questions and answers; the same without text:",
    "step": f"in steps, {STEP_TEXT_LEAST} characters or more",
    "is": f"a kind, again for a further one: {', '.join(KINDS)}",
    "asked": "the digest of what was asked, as an evaluation has it",
}
"""The names of words, and what their values are; beside them there are the figures of trees."""

CHOICES: dict[str, Sequence[str]] = {
    "solved": tuple(SOLVED),
    "reason": get_args(StopReason),
    "is": KINDS,
}
"""The values of words that are the same in every store."""

_PREFIX = re.compile(r"([a-z][a-z_-]*)(>=|<=|[:<>=])")
_VALUE = re.compile(r'(?:"((?:[^"\\]|\\.)*)(?:"|\Z)|((?!")\S*))(?=\s|\Z)', re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?")

_LARGEST = 1e300
"""Figures are smaller; it leaves room for the next larger number."""

Word = tuple[str, str, str]
"""The name of a word (empty for text), its sign, and its value."""


def parse(text: str, run: str) -> TreeFilter:
    """The filter of searches of ``run`` that ``text`` says.

    Raises:
        InputError: a word cannot be understood; the message says which one.
    """
    found = TreeFilter(run)
    for word in _words(text):
        found = _taken(found, word)
    return found


def written(wanted: TreeFilter) -> str:
    """The text of a filter; :func:`parse` reads it as the same filter. The name of its run is not in it."""
    return " ".join(_written(wanted))


def quoted(value: str) -> str:
    """A value as it stands in a word: in quotes where it has to be."""
    if value and not value.startswith('"') and not re.search(r"\s", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def completed(text: str, known: Mapping[str, Sequence[str]]) -> str | None:
    """``text`` with its last word completed, None where nothing is to be added.

    Args:
        text: what is typed so far.
        known: the values of words by their names, such as the phases of a run.
    """
    last = re.search(r"\S+\Z", text)
    if last is None:
        return None
    prefix = _PREFIX.match(last.group())
    if prefix is None:
        begun, choices = last.group(), [*(f"{name}:" for name in WORDS), *(f"{name}>" for name in FIGURES)]
    else:
        begun = last.group()[prefix.end() :]
        choices = [quoted(value) for value in (*known.get(prefix[1], ()), *CHOICES.get(prefix[1], ()))]
    longer = (choice for choice in choices if choice.startswith(begun) and choice != begun)
    found = next(longer, None)
    return None if found is None else text + found[len(begun) :]


def _words(text: str) -> Iterator[Word]:
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        prefix = _PREFIX.match(text, place)
        value = _VALUE.match(text, place if prefix is None else prefix.end())
        if value is None:
            raise InputError(f"{text[place : place + 40]!r}: a quote ends before its word does")
        plain = value[2] if value[1] is None else re.sub(r"\\(.)", r"\1", value[1], flags=re.DOTALL)
        yield ("", "", plain) if prefix is None else (prefix[1], prefix[2], plain)
        place = value.end()


def _taken(found: TreeFilter, word: Word) -> TreeFilter:
    name, sign, value = word
    if not name:
        return _with_text(found, value)
    if name in FIGURES:
        return replace(found, ranges=(*found.ranges, _range(word)))
    if name not in _TAKE:
        hint = alike(name, [*WORDS, *FIGURES])
        raise InputError(f"no word {name + sign!r}: {hint} In quotes it is looked for as text")
    if sign not in (":", "="):
        raise InputError(f"{name + sign!r}: only figures are compared; write {name}:{value or '…'}")
    return _TAKE[name](found, value)


def _with_text(found: TreeFilter, value: str) -> TreeFilter:
    return replace(found, text=f"{found.text} {value}" if found.text else value)


def _with_iteration(found: TreeFilter, value: str) -> TreeFilter:
    _once("iteration", found.iteration)
    if not re.fullmatch("[0-9]{1,9}", value):
        raise InputError(f"iteration:{value}: the value is a number, such as 1")
    return replace(found, iteration=int(value))


def _with_solved(found: TreeFilter, value: str) -> TreeFilter:
    _once("solved", found.solved)
    return replace(found, solved=SOLVED[_one_of("solved", value)])


def _with_reason(found: TreeFilter, value: str) -> TreeFilter:
    _once("reason", found.reason)
    return replace(found, reason=_one_of("reason", value))


def _with_problem(found: TreeFilter, value: str) -> TreeFilter:
    _once("problem", found.problem)
    return replace(found, problem=value)


def _with_asked(found: TreeFilter, value: str) -> TreeFilter:
    _once("asked", found.asked)
    return replace(found, asked=value)


def _with_step(found: TreeFilter, value: str) -> TreeFilter:
    _once("step", found.step_text or None)
    if len(value) < STEP_TEXT_LEAST:
        raise InputError(f"step:{value}: give {STEP_TEXT_LEAST} characters or more to look for in steps")
    return replace(found, step_text=value)


def _with_kind(found: TreeFilter, value: str) -> TreeFilter:
    _one_of("is", value)
    return replace(found, kinds=(*found.kinds, next(kind for kind in KINDS if kind == value)))


_TAKE: dict[str, Callable[[TreeFilter, str], TreeFilter]] = {
    "phase": lambda found, value: replace(found, phases=(*found.phases, value)),
    "method": lambda found, value: replace(found, methods=(*found.methods, value)),
    "iteration": _with_iteration,
    "solved": _with_solved,
    "reason": _with_reason,
    "problem": _with_problem,
    "text": _with_text,
    "step": _with_step,
    "is": _with_kind,
    "asked": _with_asked,
}


def _once(name: str, before: object) -> None:
    if before is not None:
        raise InputError(f"{name}: is given twice; a search has only one")


def _one_of(name: str, value: str) -> str:
    if value not in CHOICES[name]:
        raise InputError(f"{name}:{value}: the value is one of {', '.join(CHOICES[name])}")
    return value


def _range(word: Word) -> Range:
    name, sign, value = word
    match sign:
        case ">=":
            return Range(name, low=_number(name, value))
        case "<=":
            return Range(name, high=_number(name, value))
        case ">":
            return Range(name, low=math.nextafter(_number(name, value), math.inf))
        case "<":
            return Range(name, high=math.nextafter(_number(name, value), -math.inf))
    low, between, high = value.partition("..")
    return Range(name, _number(name, low), _number(name, high if between else low))


def _number(name: str, text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not abs(number) < _LARGEST:
        raise InputError(f"{name}: {text!r} is no number; write {name}>5, {name}<=5, {name}=5 or {name}:1..5")
    return number


def _written(wanted: TreeFilter) -> Iterator[str]:
    yield from (f"phase:{quoted(phase)}" for phase in wanted.phases)
    yield from (f"method:{quoted(method)}" for method in wanted.methods)
    if wanted.iteration is not None:
        yield f"iteration:{wanted.iteration}"
    if wanted.solved is not None:
        yield "solved:yes" if wanted.solved else "solved:no"
    for name in ("reason", "problem", "asked"):
        value = getattr(wanted, name)
        if value is not None:
            yield f"{name}:{quoted(value)}"
    yield from (f"is:{kind}" for kind in wanted.kinds)
    yield from (_written_range(each) for each in wanted.ranges if (each.low, each.high) != (None, None))
    if wanted.step_text:
        yield f"step:{quoted(wanted.step_text)}"
    if wanted.text:
        bare = quoted(wanted.text) == wanted.text and not _PREFIX.match(wanted.text)
        yield wanted.text if bare else f"text:{quoted(wanted.text)}"


def _written_range(each: Range) -> str:
    if each.high is None and each.low is not None:
        return f"{each.name}{_limit('>', each.low, -math.inf)}"
    if each.low is None and each.high is not None:
        return f"{each.name}{_limit('<', each.high, math.inf)}"
    low, high = (_figure(end or 0.0) for end in (each.low, each.high))
    return f"{each.name}={low}" if low == high else f"{each.name}:{low}..{high}"


def _limit(sign: str, value: float, outwards: float) -> str:
    """A limit as it was most likely typed: 6.000000000000001 and more are those above 6."""
    beyond = _figure(math.nextafter(value, outwards))
    return f"{sign}{beyond}" if len(beyond) < len(_figure(value)) else f"{sign}={_figure(value)}"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else repr(float(value))
