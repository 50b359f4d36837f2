"""Are two mathematical expressions equal? They are compared by value, with sympy.

An expression that cannot be read has no value, and equals only the same text. Numbers are compared at many
digits, relative to their size; expressions with variables are compared at a few points.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from restmcts.grading.maths.normalize import normalize_answer, parse_number
from restmcts.grading.maths.reading import UnreadableError, ends_in_degrees, read_expression
from restmcts.grading.maths.structure import equal_answers
from restmcts.grading.maths.units import without_letter

DIGITS = 50
"""Decimal digits of a comparison of numbers, beside those that the numbers have."""

ROUNDING = 15
"""So many of the digits may be wrong, from rounding alone: what is read is exact."""

LARGEST = 10_000.0
"""Numbers of more decimal digits are compared by their size alone."""

POINTS = (
    (
        Fraction(7, 5),
        Fraction(13, 11),
        Fraction(29, 17),
        Fraction(23, 19),
        Fraction(37, 31),
        Fraction(43, 41),
    ),
    (Fraction(-3, 7), Fraction(5, 9), Fraction(-8, 13), Fraction(11, 6), Fraction(-17, 10), Fraction(2, 11)),
    (
        Fraction(19, 8),
        Fraction(-31, 12),
        Fraction(3, 14),
        Fraction(-9, 16),
        Fraction(41, 15),
        Fraction(-5, 22),
    ),
    (Fraction(5, 13), Fraction(17, 7), Fraction(31, 9), Fraction(8, 21), Fraction(10, 3), Fraction(27, 23)),
    (
        Fraction(-22, 9),
        Fraction(-6, 17),
        Fraction(-13, 8),
        Fraction(-19, 5),
        Fraction(-4, 15),
        Fraction(-7, 3),
    ),
)
"""Where expressions are compared: the values of the variables, in the order of their names."""

_NUMBER_SUBSCRIPT = re.compile(r"[0-9] ?_")
_BASED = re.compile(r"(-?[0-9A-Fa-f]+)(?:_(?:\{([0-9]+)\}|([0-9])))?")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-5][0-9])(?: ([ap]m))?")
_RATIO = re.compile(r"[^:]+(?::[^:]+)+")
_NUMERIC = re.compile(
    r"(?:[-+0-9.,/^{}()\s]|\\(?:times|cdot|frac|sqrt|pi)(?![A-Za-z]))+|[0-9.]+[eE][-+]?[0-9]+"
)
_UNCERTAIN = re.compile(r"(.+?)\\pm ?[0-9.]+(?:\\times10\^\{?-?[0-9]+\}?)?")


def equal(answer: str, oracle: str, tolerance: float | None = None) -> bool:
    """Are two normalized answers equal, or as numbers within the relative ``tolerance``?

    Raises:
        OverflowError: both are numbers too large to compare.
        RecursionError: nested too deeply.
    """
    if tolerance is not None and r"\pm" not in oracle:
        uncertain = _UNCERTAIN.fullmatch(answer)
        answer = uncertain[1] if uncertain is not None else answer
    return equal_answers(answer, oracle, lambda given, wanted: _equal_values(given, wanted, tolerance))


def _equal_values(answer: str, oracle: str, tolerance: float | None) -> bool:
    # Parts of lists have units and spellings of their own.
    answer, oracle = normalize_answer(answer), normalize_answer(oracle)
    if answer == oracle:
        return True
    for kind in (_equal_letters, _equal_based, _equal_clocks, _equal_ratios):
        verdict = kind(answer, oracle, tolerance)
        if verdict is not None:
            return verdict
    numbers = parse_number(answer), parse_number(oracle)
    if numbers[0] is not None and numbers[1] is not None:
        return _close(numbers[0], numbers[1], tolerance)
    try:
        return _equal_expressions(answer, oracle, tolerance)
    except UnreadableError:
        return False


def _equal_letters(answer: str, oracle: str, tolerance: float | None) -> bool | None:
    """``7 K`` is 7 where the oracle answer has no unit; two letters that may be units are compared."""
    attached = tolerance is not None
    (value, unit), (wanted, other) = (without_letter(text, attached=attached) for text in (answer, oracle))
    if not unit and not other:
        return None
    if unit and other and unit != other:
        return False
    if not (unit and other) and _NUMERIC.fullmatch(wanted if unit else value) is None:
        return None
    return _equal_values(value, wanted, tolerance)


def _equal_based(answer: str, oracle: str, tolerance: float | None) -> bool | None:
    """Numbers with a base, as in ``52_8``: the same digits, and the same base where both name one."""
    if not (_NUMBER_SUBSCRIPT.search(answer) or _NUMBER_SUBSCRIPT.search(oracle)):
        return None
    given, wanted = _BASED.fullmatch(answer), _BASED.fullmatch(oracle)
    if given is None or wanted is None:
        return False
    bases = given[2] or given[3], wanted[2] or wanted[3]
    same = given[1].lstrip("0").lower() == wanted[1].lstrip("0").lower()
    return same and (None in bases or bases[0] == bases[1])


def _equal_clocks(answer: str, oracle: str, tolerance: float | None) -> bool | None:
    given, wanted = _CLOCK.fullmatch(answer), _CLOCK.fullmatch(oracle)
    if given is None or wanted is None:
        return None
    same = (int(given[1]), given[2]) == (int(wanted[1]), wanted[2])
    if not same and not (given[3] or wanted[3]):
        return None if len(given[2]) == 1 else False
    return same and (given[3] is None or wanted[3] is None or given[3] == wanted[3])


def _equal_ratios(answer: str, oracle: str, tolerance: float | None) -> bool | None:
    r"""``2:3`` is ``4:6``."""
    if not (_RATIO.fullmatch(answer) and _RATIO.fullmatch(oracle)):
        return None
    given, wanted = answer.split(":"), oracle.split(":")
    if len(given) != len(wanted):
        return False
    pairs = (
        (f"({one})*({wanted[0]})", f"({other})*({given[0]})")
        for one, other in zip(given, wanted, strict=True)
    )
    return all(_equal_values(left, right, tolerance) for left, right in pairs)


def _close(left: Fraction, right: Fraction, tolerance: float | None) -> bool:
    if tolerance is None:
        return left == right
    return abs(left - right) <= Fraction(str(tolerance)) * max(abs(left), abs(right))


def _equal_expressions(answer: str, oracle: str, tolerance: float | None) -> bool:
    given, wanted = read_expression(answer), read_expression(oracle)
    degrees = [ends_in_degrees(text) for text in (answer, oracle)]
    if degrees[0] != degrees[1]:
        given, wanted = _as_angles(given, wanted, degrees[0])
    if _is_relation(given) or _is_relation(wanted):
        return _equal_relations(given, wanted)
    matrices = [getattr(each, "is_Matrix", False) for each in (given, wanted)]
    if any(matrices):
        return all(matrices) and _equal_matrices(given, wanted, tolerance)
    return _equal_scalars(given, wanted, tolerance)


def _as_angles(given: Any, wanted: Any, first_in_degrees: bool) -> tuple[Any, Any]:
    r"""An angle in degrees beside a plain number: the number may be in radians if it has π in it."""
    import sympy

    angle, other = (given, wanted) if first_in_degrees else (wanted, given)
    if other.has(sympy.pi):
        angle = angle * sympy.pi / 180
    return (angle, other) if first_in_degrees else (other, angle)


def _is_relation(expression: Any) -> bool:
    return bool(getattr(expression, "is_Relational", False)) or type(expression).__name__ == "And"


def _equal_relations(given: Any, wanted: Any) -> bool:
    """Do two equations or inequalities say the same: is one a multiple of the other?"""
    given, wanted = _relations(given), _relations(wanted)
    if len(given) != len(wanted):
        return False
    return all(_equal_relation(one, other) for one, other in zip(given, wanted, strict=True))


def _relations(expression: Any) -> list[Any]:
    if getattr(expression, "is_Relational", False):
        return [expression]
    return list(expression.args) if type(expression).__name__ == "And" else []


def _equal_relation(given: Any, wanted: Any) -> bool:
    signs = [_sign(each) for each in (given, wanted)]
    if signs[0][0] != signs[1][0]:
        return False
    differences = [each.lhs - each.rhs for each in (given, wanted)]
    ratio = _constant_ratio(*differences)
    if ratio is None or ratio == 0:
        return False
    directed = signs[0][1] * signs[1][1]
    return directed == 0 or (ratio.is_real and (ratio > 0) == (directed > 0))


def _sign(relation: Any) -> tuple[str, int]:
    """The kind of a relation, and its direction: 0 where it has none."""
    name = relation.rel_op
    return {"<": ("strict", -1), ">": ("strict", 1), "<=": ("weak", -1), ">=": ("weak", 1)}.get(
        name, (name, 0)
    )


def _constant_ratio(left: Any, right: Any) -> Any:
    """``left`` by ``right`` where that is the same number at every point, else None."""
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    if not symbols:
        return None
    ratio = None
    for values in _points(symbols):
        above, below = (_number(each.subs(values)) for each in (left, right))
        if above is None or below is None or below == 0:
            continue
        if ratio is not None and not _same(above, ratio * below):
            return None
        ratio = above / below if ratio is None else ratio
    return ratio


def _equal_matrices(given: Any, wanted: Any, tolerance: float | None) -> bool:
    given, wanted = (each.doit() if hasattr(each, "doit") else each for each in (given, wanted))
    if given.shape != wanted.shape:
        return False
    return all(
        _equal_scalars(one, other, tolerance) for one, other in zip(list(given), list(wanted), strict=True)
    )


def _equal_scalars(given: Any, wanted: Any, tolerance: float | None) -> bool:
    from sympy import Expr

    if not isinstance(given, Expr) or not isinstance(wanted, Expr):
        return bool(given == wanted)
    symbols = sorted(given.free_symbols | wanted.free_symbols, key=str)
    if not symbols:
        return _equal_numbers(given, wanted, tolerance)
    if given.has(*_without_values()) or wanted.has(*_without_values()):
        return bool(given == wanted or (given - wanted).expand() == 0)
    return _equal_everywhere(given, wanted, symbols)


def _without_values() -> tuple[Any, ...]:
    """What has no value at a point: functions without a definition such as f(x), sums to n and the like."""
    from sympy import Derivative, Integral, Limit, Product, Sum
    from sympy.core.function import AppliedUndef

    return AppliedUndef, Derivative, Integral, Limit, Product, Sum


def _equal_numbers(given: Any, wanted: Any, tolerance: float | None) -> bool:
    sizes = [_digits(each) for each in (given, wanted)]
    if given == wanted:
        return True
    if max(sizes) > LARGEST:
        if min(sizes) > LARGEST:
            raise OverflowError("both numbers are too large to compare")
        return False
    digits = DIGITS + math.ceil(max(sizes))
    left, right = _number(given, digits), _number(wanted, digits)
    if left is None or right is None:
        return False
    if tolerance is not None:
        return bool(abs(left - right) <= tolerance * max(abs(left), abs(right)))
    return _same(left, right, digits)


def _same(left: Any, right: Any, digits: int = DIGITS) -> bool:
    from sympy import Float

    if left == right:
        return True
    return bool(abs(left - right) <= max(abs(left), abs(right)) * Float(10, digits) ** (ROUNDING - digits))


def _equal_everywhere(given: Any, wanted: Any, symbols: list[Any]) -> bool:
    """Do the expressions agree at the points where both have a value? At least two have to be such points."""
    seen = 0
    for values in _points(symbols):
        left, right = (_number(each.subs(values)) for each in (given, wanted))
        if left is None or right is None:
            continue
        if not _same(left, right):
            return False
        seen += 1
    return seen >= 2


def _points(symbols: list[Any]) -> Iterator[list[tuple[Any, Any]]]:
    from sympy import Rational

    for number, point in enumerate(POINTS):
        yield [
            (
                symbol,
                Rational(*point[place % len(point)].as_integer_ratio()) + place // len(point) * (number + 2),
            )
            for place, symbol in enumerate(symbols)
        ]


def _number(expression: Any, digits: int = DIGITS) -> Any:
    """The value, real or complex; None where it has none that is finite, or is too large."""
    if _digits(expression) > LARGEST:
        return None
    value = expression.evalf(digits)
    return value if value.is_number and value.is_finite and not value.has(*_without_values()) else None


def _digits(expression: Any) -> float:
    """About how many decimal digits the value of an expression has, or more; nothing is evaluated."""
    if expression.is_Number:
        return len(str(max(abs(expression.p), expression.q))) if expression.is_Rational else 1.0
    if expression.is_Pow:
        base, exponent = expression.args
        power = _bound(exponent)
        return max(1.0, _digits(base)) * power
    if expression.func.__name__ == "factorial":
        bound = _bound(expression.args[0])
        return bound * max(1.0, _digits(expression.args[0]))
    if expression.func.__name__ == "exp":
        return _bound(expression.args[0])
    if expression.is_Add:
        return max(map(_digits, expression.args)) + 1
    if expression.is_Mul:
        return sum(map(_digits, expression.args))
    return max(map(_digits, expression.args), default=1.0)


def _bound(expression: Any) -> float:
    """A number that an exponent is not larger than, about."""
    digits = _digits(expression)
    if digits > 300 or expression.free_symbols:
        return math.inf if digits > 300 else 1.0
    value = expression.evalf(15)
    return abs(float(value)) if value.is_real and value.is_finite else 1.0
