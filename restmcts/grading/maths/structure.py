r"""What an answer is made of: lists, points, sets, intervals, inequalities and named values.

A normalized answer is taken apart by its brackets, commas and relations, as text. What is left, single values
and equations, goes to a function that compares two of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

MAX_PARTS = 60
"""Answers of more parts are compared as text."""

EqualValues = Callable[[str, str], bool]
"""Are two values without structure equal? Gets the answer, then the oracle answer."""

_PAIRS = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\langle": r"\rangle"}
_TOKEN = re.compile(
    r"\\begin\{[a-z]*\}|\\end\{[a-z]*\}|\\[{}]|\\[A-Za-z]+|\\.|[()\[\]{},;]|\b(?:and|or)\b", re.DOTALL
)
_NAME = re.compile(
    r"((?:\\?[A-Za-z]+(?:_(?:\w|\{\w+\}))?'?|\\angle ?[A-Z]+)(?:\(\\?[a-z]+\))?)"
    r" ?(=|\\in(?![A-Za-z])) ?([^=].*)",
    re.DOTALL,
)
_RELATION = re.compile(r"(<=?|>=?|\\le(?![A-Za-z])|\\ge(?![A-Za-z]))")
_SYMBOL = re.compile(r"\\?[A-Za-z]+(?:_(?:\w|\{\w+\}))?")
_STRICT = {"<": True, ">": True}


@dataclass(frozen=True, slots=True)
class Value:
    """A single value or an equation, as text."""

    text: str


@dataclass(frozen=True, slots=True)
class Named:
    """A value with a name, as in ``x = 5``."""

    name: str
    value: Part


@dataclass(frozen=True, slots=True)
class Group:
    r"""Parts between brackets. ``brackets`` is empty for a list without any, ``cup`` for a union."""

    brackets: str
    parts: tuple[Part, ...]

    @property
    def ordered(self) -> bool:
        return self.brackets not in ("", "cup", r"\{\}")


Part = Value | Named | Group


def equal_answers(answer: str, oracle: str, equal: EqualValues) -> bool:
    r"""Do two normalized answers say the same, where ``equal`` compares single values?

    The order of a list without brackets, of a set and of a union makes no difference; that of a point does.
    Brackets must be the same, but a list without any may stand for a point in the same order, and for a set.
    ``0 < x < 2`` is the interval ``(0, 2)``; a name is compared where both have one.

    Raises:
        RecursionError: brackets are nested too deeply.
    """
    given, wanted = take_apart(answer), take_apart(oracle)
    if max(_size(given), _size(wanted)) > MAX_PARTS:
        return answer == oracle
    return _equal(given, wanted, equal)


def take_apart(text: str) -> Part:
    """The parts of a normalized answer."""
    text = text.strip()
    parts = _split(text, (",", ";", "and", "or"))
    if len(parts) > 1:
        return _list([take_apart(part) for part in parts], " or " in text)
    union = _split(text, (r"\cup",))
    if len(union) > 1:
        return Group("cup", tuple(take_apart(part) for part in union))
    named = _NAME.fullmatch(text)
    if named is not None and "=" not in _outside(named[3]):
        return Named(named[1].replace(" ", ""), take_apart(named[3]))
    return _interval(text) or _plus_minus(text) or _bracketed(text) or Value(text)


def _list(parts: list[Part], alternatives: bool) -> Group:
    """``n=2, 3, 4`` names all three; intervals with "or" between them are a union."""
    first = parts[0]
    if isinstance(first, Named) and not any(isinstance(part, Named) for part in parts[1:]):
        parts = [first, *(Named(first.name, part) for part in parts[1:])]
    intervals = [part.value if isinstance(part, Named) else part for part in parts]
    if alternatives and all(isinstance(part, Group) and part.ordered for part in intervals):
        return Group("cup", tuple(intervals))
    return Group("", tuple(parts))


def _interval(text: str) -> Part | None:
    r"""``a < x \le b`` and ``x > a`` as a named interval; None for anything else."""
    pieces = [piece.strip() for piece in _RELATION.split(text)]
    if len(pieces) not in (3, 5) or not all(pieces) or "=" in "".join(pieces[::2]):
        return None
    values, signs = pieces[::2], pieces[1::2]
    down = [sign in (">", ">=", r"\ge") for sign in signs]
    if len(set(down)) > 1:
        return None
    if down[0]:
        values, signs = values[::-1], signs[::-1]
    opened = [_STRICT.get(sign, False) for sign in signs]
    if len(values) == 3:
        low, name, high = values
        left, right = opened
    elif _SYMBOL.fullmatch(values[0]):
        name, high = values
        low, left, right = r"-\infty", True, opened[0]
    else:
        low, name = values
        high, left, right = r"\infty", opened[0], True
    if not _SYMBOL.fullmatch(name):
        return None
    return Named(name, Group("[("[left] + "])"[right], (Value(low), Value(high))))


def _plus_minus(text: str) -> Part | None:
    r"""``1 \pm \sqrt{2}`` is two values."""
    if len(re.findall(r"\\pm(?![A-Za-z])", _outside(text))) != 1 or text.count(r"\pm") != 1:
        return None
    both = [re.sub(r"\\pm(?![A-Za-z])", sign, text) for sign in ("+", "-")]
    return Group("", tuple(Value(one.strip()) for one in both))


def _bracketed(text: str) -> Part | None:
    """A text that is one pair of brackets, with what is in it."""
    if text in (r"\{\}", r"\emptyset"):
        return Group(r"\{\}", ())
    opening = next((token for token in (r"\{", r"\langle", "(", "[") if text.startswith(token)), None)
    if opening is None:
        return None
    tokens = list(_TOKEN.finditer(text))
    depth = 0
    for token in tokens:
        depth += _step(token[0])
        if depth == 0:
            if token.end() != len(text):
                return None
            return _grouped(opening, token[0], text[len(opening) : token.start()])
    return None


def _grouped(opening: str, closing: str, inside: str) -> Part | None:
    parts = _split(inside, (",", ";"))
    brackets = {r"\langle": "(", r"\rangle": ")"}.get(opening, opening) + {r"\rangle": ")"}.get(
        closing, closing
    )
    if len(parts) == 1 and brackets == "()":
        return take_apart(inside) if inside.strip() else None
    if len(parts) == 1 and brackets != r"\{\}":
        return None
    return Group(brackets, tuple(take_apart(part) for part in parts))


def _split(text: str, separators: Sequence[str]) -> list[str]:
    """The text between separators outside of all brackets; the whole text where there are none."""
    parts, start, depth = [], 0, 0
    for token in _TOKEN.finditer(text):
        depth += _step(token[0])
        if depth == 0 and token[0] in separators:
            parts.append(text[start : token.start()])
            start = token.end()
    parts.append(text[start:])
    parts = [part.strip() for part in parts]
    # "1, 2, and 3" has an empty part before "and".
    kept = [part for part in parts if part]
    return kept if kept and depth == 0 else [text]


def _step(token: str) -> int:
    if token in _PAIRS or token.startswith(r"\begin"):
        return 1
    return -1 if token in _PAIRS.values() or token.startswith(r"\end") else 0


def _outside(text: str) -> str:
    """What stands outside of all brackets."""
    kept, start, depth = [], 0, 0
    for token in _TOKEN.finditer(text):
        before = depth
        depth += _step(token[0])
        if before == 0 and depth > 0:
            kept.append(text[start : token.start()])
        elif before > 0 and depth == 0:
            start = token.end()
    return "".join([*kept, text[start:] if depth == 0 else ""])


def _size(part: Part) -> int:
    if isinstance(part, Group):
        return 1 + sum(map(_size, part.parts))
    return 1 if isinstance(part, Value) else _size(part.value)


def _equal(given: Part, wanted: Part, equal: EqualValues) -> bool:
    if isinstance(given, Named) and isinstance(wanted, Named):
        return _equal_named(given, wanted, equal)
    if isinstance(given, Named) or isinstance(wanted, Named):
        if _is_equation(given) and _is_equation(wanted):
            return equal(_text(given), _text(wanted))
        return _equal(_bare(given), _bare(wanted), equal)
    if isinstance(given, Group) and isinstance(wanted, Group):
        return _equal_groups(given, wanted, equal)
    if isinstance(given, Group) or isinstance(wanted, Group):
        return _equal_single(given, wanted, equal)
    assert isinstance(given, Value)
    assert isinstance(wanted, Value)
    return equal(given.text, wanted.text)


def _is_equation(part: Part) -> bool:
    return "=" in part.text if isinstance(part, Value) else isinstance(_bare(part), Value)


def _equal_named(given: Named, wanted: Named, equal: EqualValues) -> bool:
    if given.name == wanted.name:
        return _equal(given.value, wanted.value, equal)
    if isinstance(given.value, Value) and isinstance(wanted.value, Value):
        return equal(_text(given), _text(wanted))
    return False


def _equal_groups(given: Group, wanted: Group, equal: EqualValues) -> bool:
    if len(given.parts) != len(wanted.parts) or not _same_kind(given, wanted):
        return False
    left, right = _without_names(given, wanted)
    if (
        given.ordered
        or wanted.ordered
        or (_has_names(given) != _has_names(wanted) and _distinct_names(given, wanted))
    ):
        return all(_equal(one, other, equal) for one, other in zip(left, right, strict=True))
    waiting = list(right)
    for one in left:
        found = next((place for place, other in enumerate(waiting) if _equal(one, other, equal)), None)
        if found is None:
            return False
        del waiting[found]
    return True


def _same_kind(given: Group, wanted: Group) -> bool:
    if given.brackets == wanted.brackets:
        return True
    loose = "" in (given.brackets, wanted.brackets) and "cup" not in (given.brackets, wanted.brackets)
    return loose and not any("[" in group.brackets or "]" in group.brackets for group in (given, wanted))


def _without_names(given: Group, wanted: Group) -> tuple[Iterator[Part], Iterator[Part]]:
    """The parts of both; names are left out where only one of them has names."""
    if _has_names(given) == _has_names(wanted):
        return iter(given.parts), iter(wanted.parts)
    return map(_bare, given.parts), map(_bare, wanted.parts)


def _has_names(group: Group) -> bool:
    return any(isinstance(part, Named) for part in group.parts)


def _distinct_names(*groups: Group) -> bool:
    names = [part.name for group in groups for part in group.parts if isinstance(part, Named)]
    return len(set(names)) > 1


def _equal_single(given: Part, wanted: Part, equal: EqualValues) -> bool:
    """A set of one value is that value; any other group is none."""
    group, other = (given, wanted) if isinstance(given, Group) else (wanted, given)
    assert isinstance(group, Group)
    if group.brackets != r"\{\}" or len(group.parts) != 1:
        return False
    return _equal(group.parts[0], other, equal) if group is given else _equal(other, group.parts[0], equal)


def _bare(part: Part) -> Part:
    return part.value if isinstance(part, Named) else part


def _text(part: Part) -> str:
    if isinstance(part, Named):
        return f"{part.name}={_text(part.value)}"
    assert isinstance(part, Value)
    return part.text
