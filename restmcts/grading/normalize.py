r"""One spelling for answers that mean the same, so that they can be compared and counted as strings.

This is not algebra: ``x + 1`` and ``1 + x`` stay different, the grader knows better. What is treated
here is notation: LaTeX wrappers, spaces, units, thousands separators, the many ways to write a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

MAX_LENGTH = 2000
"""Answers of this many characters and more are cut here, and not normalized."""

MAX_DIGITS = 400
"""Numbers with more digits are compared as text, because arithmetic on them is slow."""

_MAX_PASSES = 16

_TEXT = r"\\(?:text|textrm|mathrm|mbox|hbox)\s*"
_WRAPPER = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname|mbox|hbox|boxed|fbox)\s*\{"
    r"|\\.|[{}]",
    re.DOTALL,
)
_LATEX_UNIT = re.compile(
    r"(?<=[0-9})])(?:\\[ ,;]|[\s~])*"
    + _TEXT
    + r"\{[\s~]*(?!(?:and|or|to)\b)[^{}]*\}\s*(?:\^\s*(?:[0-9]|\{\s*-?[0-9]\s*\})\s*)?$"
)
_UNIT = re.compile(
    r"([+-]?[0-9.,]*[0-9]) "
    r"(?!(?:pi|sqrt|sin|cos|tan|log|ln|exp|and|or|to)\b)[^\W\d_]{2,}[^0-9\\=+*^]*(?:\^\{?-?[0-9]\}?)?"
)
_SPACE = re.compile(r"(?<!\\)\\[,;: ]|\\q?quad(?![A-Za-z])|[~\s]")
_DROPPED = re.compile(
    r"\\!|\\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![A-Za-z])"
    r"|\^ ?\{ ?\\circ ?\}|\^ ?\\circ(?![A-Za-z])|\u00b0|(?<!\\)\\[()\[\]]|\\?[$%]"
)
_FRACTION_NAME = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_FRACTION = re.compile(r"\\frac ?(\{ ?\w+ ?\}|[0-9]) ?(\{ ?\w+ ?\}|[0-9])")
_ROOT = re.compile(r"\\sqrt ?([0-9])|(?<![\\A-Za-z])sqrt ?\(([^()]*)\)")
_PI = re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])|\u03c0")
_LOOSE_SPACE = re.compile(r"(?<![^\W_]) | (?![^\W_])")
_WORDS = re.compile(r"\(?[^\W\d_]+(?:[ '-][^\W\d_]+)*\)?")
_VARIABLE = re.compile(r"[A-Za-z] ?= ?([^=]+)")
_DECIMAL = re.compile(r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
_SIMPLE_FRACTION = re.compile(r"([+-]?)(?:\\frac\{(-?)([0-9]+)\}\{([0-9]+)\}|([0-9]+)/([0-9]+))")
_MIXED = re.compile(r"([+-]?)([0-9]+)(?: ?\\frac\{([0-9]+)\}\{([0-9]+)\}| ([0-9]+)/([0-9]+))")
_SCIENTIFIC = re.compile(
    r"([+-]?[0-9.,]+) ?(?:[eE]|(?:\\times|\\cdot|[x\u00d7*]) ?10\^)\{?([+-]?[0-9]{1,3})\}?"
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


def _latex_unit(text: str) -> str:
    r"""``5\text{ cm}^2`` is 5: a text behind a number is its unit."""
    return _LATEX_UNIT.sub("", text)


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


def _spaces(text: str) -> str:
    return " ".join(_SPACE.sub(" ", text.replace("\u2212", "-").replace("{,}", ",")).split())


def _latex(text: str) -> str:
    text = _FRACTION_NAME.sub(r"\\frac", _DROPPED.sub("", text))
    text = _PI.sub(r"\\pi ", _FRACTION.sub(_braced_fraction, text))
    return _ROOT.sub(lambda root: rf"\sqrt{{{root[1] or root[2]}}}", text)


def _braced_fraction(match: re.Match[str]) -> str:
    above, below = (part.strip("{} ") for part in match.groups())
    return rf"\frac{{{above}}}{{{below}}}"


def _edges(text: str) -> str:
    text = text.strip(' ,;:"`').rstrip(".").removeprefix("**").removesuffix("**")
    return text.strip()


def _variable(text: str) -> str:
    match = _VARIABLE.fullmatch(text)
    return text if match is None else match[1]


def _unit(text: str) -> str:
    match = _UNIT.fullmatch(text)
    return text if match is None else match[1]


def _words(text: str) -> str:
    return text.lower() if _WORDS.fullmatch(text) else text


def _number(text: str) -> str:
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
    _latex_unit,
    _unwrap,
    _spaces,
    _latex,
    _edges,
    _variable,
    _unit,
    _words,
    _number,
    _spaces,
    _tight,
)
