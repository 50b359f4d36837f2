r"""One spelling for answers that mean the same, so that they can be compared and counted as strings.

This is not algebra: ``x + 1`` and ``1 + x`` stay different, the grader knows better. What is treated
here is notation: LaTeX wrappers, spaces, units, thousands separators, the many ways to write a number.
Names stay: ``x = 5`` is ``x=5``, because it is not ``y = 5``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from restmcts.grading.maths.notation import (
    join_thousands,
    plain_spaces,
    unify_characters,
    unify_commands,
    without_delimiters,
)
from restmcts.grading.maths.units import multiplied, spelled_number, without_latex_unit, without_unit

MAX_LENGTH = 2000
"""Answers of this many characters and more are cut here, and not normalized."""

MAX_DIGITS = 400
"""Numbers with more digits are compared as text, because arithmetic on them is slow."""

_MAX_PASSES = 16

_PLAINEST = re.compile(r"0|-?[1-9][0-9]*")
"""What most answers are; nothing is left to do for them."""

_WRAPPER = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|textsf|mathrm|mathbf|mathit|mathsf|boldsymbol|bm|underline"
    r"|operatorname|mbox|hbox|boxed|fbox|emph|ensuremath)\*?\s*\{"
    r"|\\.|[{}]",
    re.DOTALL,
)
_ORDINAL = re.compile(r"([0-9]*(?:1st|2nd|3rd|[0-9]th)|[0-9]+ ?\^ ?(?:\{ ?)?(?:st|nd|rd|th)(?: ?\})?)")
_DEGREES = re.compile(
    r" ?\^ ?\{ ?\\circ ?\}| ?\^ ?\\circ(?![A-Za-z])|(?<=[0-9}]) ?(?:[\u00b0\u00ba](?![CFK])|degrees?$)"
)
_TEMPERATURE = re.compile(r" ?(?:\^ ?\{? ?\\circ ?\}?|\u00b0|\u00ba) ?([CFK])(?![A-Za-z])")
_PERCENT = re.compile(r" ?\\?%")
_ROUGHLY = re.compile(r"(?:\\approx|\\sim|about|approximately|roughly|exactly)(?![A-Za-z]) ?(?=[-+0-9.\\(])")
_FRACTION_NAME = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_FRACTION = re.compile(r"\\frac ?(\{ ?\w+ ?\}|[0-9]) ?(\{ ?\w+ ?\}|[0-9])")
_ROOT = re.compile(
    r"\\sqrt ?([0-9])|\\sqrt ?\(([^(){}]*)\)|(?<![\\A-Za-z])sqrt ?(?:\(([^()]*)\)|\{([^{}]*)\}|([0-9]))"
)
_PI = re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])|\\pi(?![A-Za-z])")
_INFINITY = re.compile(r"(?<![\\A-Za-z])(?:inf|infinity|oo)(?![A-Za-z])")
_TIMES = re.compile(r"(?<=[0-9]) ?[xX*] ?(?=10 ?\^)")
_LOOSE_SPACE = re.compile(r"(?<![^\W_]) | (?![^\W_])")
_WORDS = re.compile(r"\(?[^\W\d_]+(?:[ '-][^\W\d_]+)*\)?")
_HALF_OF_DAY = re.compile(r"([0-9]{1,2}(?::[0-9]{2})?) ?([ap])\.? ?m\.?", re.IGNORECASE)
_DECIMAL = re.compile(r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
_SIMPLE_FRACTION = re.compile(r"([+-]?)(?:\\frac\{(-?)([0-9]+)\}\{([0-9]+)\}|([0-9]+) ?/ ?([0-9]+))")
_MIXED = re.compile(r"([+-]?)([0-9]+)(?: ?\\frac\{([0-9]+)\}\{([0-9]+)\}| ([0-9]+)/([0-9]+))")
_SCIENTIFIC = re.compile(
    r"([+-]?[0-9.,]+) ?(?:[eE]|(?:\\times|\\cdot|[x\u00d7*]) ?10 ?\^)\{? ?([+-]?[0-9]{1,3}) ?\}?"
)
_EXACT = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)|(-?[0-9]+)/([0-9]*[1-9][0-9]*)")


def normalize_answer(text: str) -> str:
    r"""The answer ``text`` in its plainest spelling; any text is allowed, and nothing is raised.

    ``$\frac12$``, ``0.50`` and ``\dfrac{1}{2}`` all become ``0.5``; ``\$1,234.00`` becomes ``1234``;
    ``\text{ New  York}`` becomes ``new york``. Normalizing twice changes nothing more. A text that cannot
    be normalized (too long, or nested too deeply) comes back as it is, cut to :data:`MAX_LENGTH`.
    """
    if len(text) >= MAX_LENGTH:
        return text[:MAX_LENGTH]
    if _PLAINEST.fullmatch(text):
        return text
    current = text
    for _ in range(_MAX_PASSES):
        previous, current = current, _one_pass(current)
        if current == previous:
            return current
        if len(current) >= MAX_LENGTH:
            break
    return text


def parse_number(text: str) -> Fraction | None:
    r"""The exact value of a normalized answer that is a plain number, else None.

    Plain numbers are decimals, fractions of two whole numbers, and powers of ten such as ``5.1e3`` and
    ``5.1\times10^{3}`` with an exponent of at most three digits.
    """
    if len(text) > MAX_DIGITS:
        return None
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific is not None:
        factor = _exact(normalize_answer(scientific[1]))
        return None if factor is None else factor * Fraction(10) ** int(scientific[2])
    return _exact(text)


def _exact(text: str) -> Fraction | None:
    match = _EXACT.fullmatch(text)
    if match is None:
        return None
    return Fraction(match[1]) if match[1] else Fraction(int(match[2]), int(match[3]))


def _one_pass(text: str) -> str:
    for rule in _RULES:
        text = rule(text)
    return text


def _unwrap(text: str) -> str:
    r"""Take off ``\text{...}`` and its like, wherever they stand, with one look at each brace."""
    pieces: list[str] = []
    open_braces: list[bool] = []
    end = 0
    for match in _WRAPPER.finditer(text):
        token = match[0]
        if token == "{" or (len(token) > 2 and token.endswith("{")):
            wrapper = token != "{"
            open_braces.append(wrapper)
        elif token == "}":
            wrapper = bool(open_braces) and open_braces.pop()
        else:
            continue
        if wrapper:
            pieces += [text[end : match.start()], " "]
            end = match.end()
    return "".join([*pieces, text[end:]])


def _latex(text: str) -> str:
    text = _FRACTION_NAME.sub(r"\\frac", _PERCENT.sub("", text))
    text = _INFINITY.sub(r"\\infty ", _PI.sub(r"\\pi ", _FRACTION.sub(_braced_fraction, text)))
    text = _DEGREES.sub(r"^\\circ ", _TEMPERATURE.sub(r" °\1", text))
    text = _TIMES.sub(r"\\times ", text)
    return _ROOT.sub(
        lambda root: rf"\sqrt{{{next(part for part in root.groups() if part is not None)}}}", text
    )


def _braced_fraction(match: re.Match[str]) -> str:
    above, below = (part.strip("{} ") for part in match.groups())
    return rf"\frac{{{above}}}{{{below}}}"


def _edges(text: str) -> str:
    text = text.strip(' ,;:"`').rstrip(".").lstrip("= ").removeprefix("**").removesuffix("**").strip()
    rough = _ROUGHLY.match(text)
    return text if rough is None else text[rough.end() :]


def _ordinal(text: str) -> str:
    r"""``12th`` and ``12^{th}`` are 12."""
    return re.match(r"[0-9]+", text)[0] if _ORDINAL.fullmatch(text) else text  # type: ignore[index]


def _words(text: str) -> str:
    if not _WORDS.fullmatch(text):
        return text
    return spelled_number(text.lower())


def _time(text: str) -> str:
    """``2:00 P.M.`` and ``2:00 pm`` are the same time."""
    found = _HALF_OF_DAY.fullmatch(text)
    return text if found is None else f"{found[1]} {found[2].lower()}m"


def _number(text: str) -> str:
    text = multiplied(text)
    decimal = _DECIMAL.fullmatch(text)
    if decimal is not None and (decimal[2] or decimal[3]):
        return _plain(decimal[1] == "-", decimal[2].replace(",", ""), decimal[3] or "")
    mixed = _MIXED.fullmatch(text)
    if mixed is not None:
        return _reduced(text, mixed[1] == "-", mixed[2], mixed[3] or mixed[5], mixed[4] or mixed[6])
    simple = _SIMPLE_FRACTION.fullmatch(text)
    if simple is not None:
        negative = (simple[1] == "-") != (simple[2] == "-")
        return _reduced(text, negative, "0", simple[3] or simple[5], simple[4] or simple[6])
    return text


def _plain(negative: bool, whole: str, part: str) -> str:
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    number = f"{whole}.{part}" if part else whole
    return f"-{number}" if negative and number != "0" else number


def _reduced(text: str, negative: bool, whole: str, above: str, below: str) -> str:
    """``whole`` and ``above/below`` together in lowest terms, as a decimal where that is exact."""
    if len(text) > MAX_DIGITS or not below.strip("0"):
        return text
    value = int(whole) + Fraction(int(above), int(below))
    value = -value if negative else value
    return _finite_decimal(value) or str(value)


def _finite_decimal(value: Fraction) -> str | None:
    """``value`` as a decimal when that is exact within ten places, else None."""
    shifted = value * 10**10
    if shifted.denominator != 1:
        return None
    digits = str(abs(shifted.numerator)).rjust(11, "0")
    return _plain(value < 0, digits[:-10], digits[-10:])


def _tight(text: str) -> str:
    """Keep a space only between two letters or digits, where it means something, and behind a comma.

    ``2, 100`` is a list and must not become the number ``2,100``.
    """
    return _LOOSE_SPACE.sub("", text).replace(",", ", ").strip()


_RULES: tuple[Callable[[str], str], ...] = (
    unify_characters,
    unify_commands,
    without_latex_unit,
    _unwrap,
    join_thousands,
    plain_spaces,
    without_delimiters,
    _latex,
    plain_spaces,
    _edges,
    _ordinal,
    _time,
    without_unit,
    _words,
    _number,
    plain_spaces,
    _tight,
)
