r"""Mathematical expressions read into sympy, as a whole or not at all.

The parser is latex2sympy. It reads some notation in part, or in another sense: ``f'(x)`` as f(x), ``1e-3`` as
e - 3. Such notation is rewritten here, or the expression is refused.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

_COMMAND = re.compile(
    "frac|sqrt|cdot|times|div|pi|infty|alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho"
    "|sigma|tau|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega|sin|cos|tan|cot|sec|csc"
    "|arcsin|arccos|arctan|sinh|cosh|tanh|log|ln|exp|binom|le|ge|ne|lfloor|rfloor|lceil|rceil|begin|end|sum|prod"
    "|min|max|gcd|det|lim|to|int|circ"
)
_LEXEME = re.compile(r"\\([A-Za-z]+)|\\\\|[0-9]+(?:\.[0-9]+)?|[A-Za-z]|[-+*/^_{}()\[\]|=<>!,&.:\s]")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{([a-z]*)\}")
_ENVIRONMENTS = {"matrix", "pmatrix", "bmatrix", "vmatrix", "array"}
_ARRAY = re.compile(r"\\(begin|end)\{(?:array|bmatrix|matrix)\}(?:\{[lcr| ]*\})?")
_RECURRING = re.compile(r"(?<![0-9.])([0-9]*)\.([0-9]*)\\overline\{([0-9]+)\}")
_SCIENTIFIC = re.compile(r"(?<![A-Za-z0-9.])([0-9]+(?:\.[0-9]+)?)[eE]([+-]?[0-9]{1,3})(?![0-9A-Za-z.])")
_DECIMAL = re.compile(r"(?<![0-9.])([0-9]*)\.([0-9]+)")
_CHOOSE = re.compile(r"\{([^{}]*)\\choose([^{}]*)\}")
_BINOMIAL = re.compile(r"\\[dt]binom(?![A-Za-z])")
_SHORT_FRACTION = re.compile(r"\\frac ?([0-9]|\{[^{}]*\}) ?([0-9])")
_DEGREES = re.compile(r"\^(?:\\circ(?![A-Za-z])|\{\\circ\})")
_CONGRUENCE = re.compile(r"\\(?:equiv|pmod|bmod|mod)(?![A-Za-z])")
_ANGLE_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")


class UnreadableError(Exception):
    """An expression holds notation that is not known here."""


def read_expression(text: str) -> Any:
    """The expression that a text is, in sympy, unevaluated.

    Raises:
        UnreadableError: it holds notation that is not known here, or does not follow the rules.
    """
    from latex2sympy2_extended import latex2sympy

    latex = _exact_latex(text)
    whole = _DEGREES.sub("", latex) if ends_in_degrees(latex) else latex
    try:
        return latex2sympy(whole, normalization_config=None, convert_degrees=True)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # The parser has no exceptions of its own.
        raise UnreadableError(text) from error


def ends_in_degrees(latex: str) -> bool:
    """Is the whole an angle in degrees, such as ``30^\\circ``, and not an expression with angles in it?"""
    found = _DEGREES.findall(latex)
    return len(found) == 1 and latex.endswith(found[0]) and _ANGLE_FUNCTION.search(latex) is None


def _exact_latex(text: str) -> str:
    r"""The text in the notation of the parser, with decimals as fractions, so that all numbers are exact.

    Raises:
        UnreadableError: it holds a command or a character that would change the value unseen.
    """
    if "'" in text or _CONGRUENCE.search(text):
        raise UnreadableError(text)
    text = _CHOOSE.sub(r"\\binom{\1}{\2}", _BINOMIAL.sub(r"\\binom", text))
    text = _ARRAY.sub(r"\\\1{pmatrix}", text)
    if not set(_ENVIRONMENT.findall(text)) <= _ENVIRONMENTS:
        raise UnreadableError(text)
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text) if r"\frac" in text else text
    text = _RECURRING.sub(lambda found: _recurring(*found.groups()), text)
    text = _SCIENTIFIC.sub(lambda found: _fraction(Fraction(found[1]) * Fraction(10) ** int(found[2])), text)
    text = _DECIMAL.sub(lambda found: _fraction(Fraction(f"{found[1] or 0}.{found[2]}")), text)
    left = _LEXEME.sub(lambda found: _unknown(found[1]), text)
    if left:
        raise UnreadableError(text)
    return text


def _unknown(command: str | None) -> str:
    return "" if command is None or _COMMAND.fullmatch(command) else command


def _recurring(whole: str, start: str, period: str) -> str:
    """``0.1`` and then 6 again and again is 1/6."""
    shift = 10 ** len(start)
    value = Fraction(int((whole + start) or 0), shift) + Fraction(
        int(period), shift * (10 ** len(period) - 1)
    )
    return _fraction(value)


def _fraction(value: Fraction) -> str:
    return rf"(\frac{{{value.numerator}}}{{{value.denominator}}})"
