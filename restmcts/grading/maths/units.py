r"""Units behind a value, and the words behind a number that are no unit because they change its value.

A unit is dropped where nothing else can be meant: ``5\text{ cm}^2``, ``65.49 kJ/mol`` and ``12 dollars``. One
letter alone may be a variable (``5 m``, ``12t``); it stays, and :func:`without_letter` takes it off only when
an answer is compared with a plain number. ``5 million`` is 5000000, and ``10 less than x`` stays as it is.
"""

from __future__ import annotations

import re
from decimal import Decimal

MULTIPLIERS = {
    "dozen": 12,
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}

_PREFIX = r"(?:da|\\mu ?|[fpnµμmcdhkMGTP])?"
_METRIC = (
    rf"{_PREFIX}(?:mol|eV|Hz|Pa|cal|rad|bar|ohm|Wb|Bq|Gy|Sv|lm|lx|\\Omega(?![A-Za-z])|Ω|[mgsJWNVACKLlFTH])"
)
_NAMED = (
    r"atm|[tT]orr|mmHg|psi|min|mins|hr|hrs|yr|yrs|sec|secs|day|days|ft|in|yd|mi|mph|kph|kmh|lb|lbs|oz|gal|pt|qt"
    r"|sq|cu|cc|kWh|ppm|rpm|deg|amu|Da|cd|sr|USD|EUR|GBP|MB|GB|KB|AU|ly|ha|u|Å|\\AA(?![A-Za-z])|[°º] ?[CFK]"
)
_CHANGING = re.compile(
    r"[ap]\.?m|[ap]\.m\.|noon|midnight|bce?|ad|ce|and|or|to|but|if|when|because|since|so|then|else|is|are|was|were|be"
    r"|been|not|no|never|wrong|right|correct|incorrect|true|false|more|less|fewer|greater|than|times|over|under"
    r"|above|below|plus|minus|negative|positive|north|south|east|west|remainder|mod|modulo|squared|cubed|factorial"
    r"|choose|base|by|until|before|after|through|between|from|with|without|except|equals?|half|halves"
    r"|(?:sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp)[a-rt-z]?|pi|gcd|lcm|max|min|det"
    r"|(?:third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth|millionth)s?|"
    + "|".join(MULTIPLIERS)
)
_CLEAR = re.compile(
    r"[mck]m|kg|lbs?|oz|ft|yd|mi|hrs?|mins?|secs?|yrs?|mph|kph|km/h|m[lL]|kWh|USD|EUR"
    r"|dollars?|cents?|euros?|pounds?|met(?:er|re)s?|(?:kilo|centi|milli)met(?:er|re)s?|miles?|inch(?:es)?|feet|foot"
    r"|yards?|(?:kilo)?grams?|lit(?:er|re)s?|hours?|minutes?|seconds?|days?|weeks?|months?|years?|percent|people"
    r"|units?",
    re.IGNORECASE,
)
"""Units that no product of variables is taken for, wherever they stand."""

_LONGEST_UNIT = 80

_EXPONENT = r"(?: ?\^ ?\{? ?-?[0-9] ?\}?)?"
_SEPARATOR = r"(?: ?/ ?| ?\\cdot ?| ?[·*] ?| ?\\times ?| per |[- ])"
_SYMBOL = rf"(?:{_METRIC}|{_NAMED}){_EXPONENT}"
_SYMBOLS = re.compile(rf"\(?{_SYMBOL}(?:{_SEPARATOR}{_SYMBOL})*\)?\.?")
_WORDS = re.compile(r"\(?[^\W\d_]+(?:[ /-]+\(?[^\W\d_]+\)?)*\)?\.?" + _EXPONENT)
_VALUE = re.compile(r"(?:[^A-Za-z]|(?<=[0-9])[eE](?=[+-]?[0-9])|\\[A-Za-z]+)*(?:[0-9})\]]|\\pi ?)")
_NUMBER = re.compile(r"[0-9]$|10 ?\^ ?\{ ?[-+]?[0-9]+ ?\}$")
_TAIL = re.compile(r"(?<=[0-9})\]]) ?(?=\S)|(?<=\\pi) (?=\S)")

_TEXT = r"\\(?:text|textrm|textnormal|mathrm|mbox|hbox|operatorname|rm|unit|si)"
_WRAPPED = rf"{_TEXT}\s*\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}}"
_FRACTION = re.compile(rf"\\[dt]?frac\s*\{{\s*({_WRAPPED})\s*\}}\s*\{{\s*({_WRAPPED})\s*\}}")
_CIRCLE = r"\^?\s*\{?\s*\\circ\s*\}?"
_GAP = r"(?:\\[ ,;:!]|[\s~/·*-]|\\cdot(?![A-Za-z])|\\times(?![A-Za-z]))*"
_LATEX_UNIT = re.compile(
    rf"(?<=[0-9}})\]i]){_GAP}"
    rf"((?:(?:{_WRAPPED}|\\mu(?![A-Za-z])|{_CIRCLE}(?=\s*\\)|\\Omega(?![A-Za-z])|\\AA(?![A-Za-z]))"
    rf"(?:\s*\^\s*(?:[0-9]|\{{\s*-?[0-9]\s*\}}))?{_GAP})+)$"
)
_WRAPPED_EXPONENT = re.compile(r"(?<=[A-Za-zµμΩÅ°º}])\^?\{?-?[0-9]\}?")
_INSIDE = re.compile(rf"{_TEXT}\s*\{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}")
_LETTER = r"([mgsJWNVACKLlFThd](?:\^\{?-?[0-9]\}?)?)"
_SPACED_LETTER = re.compile(rf"(.*(?:[0-9] |10\^\{{[-+]?[0-9]+\}}))\(?{_LETTER}\)?")
_ANY_LETTER = re.compile(rf"(.*[0-9}}]) ?\(?{_LETTER}\)?")
_MULTIPLIED = re.compile(
    rf"([+-]?[0-9]+(?:\.[0-9]+)?) ?({'|'.join(MULTIPLIERS)})(?: ([^\W\d_]{{2,}}(?: [^\W\d_]{{2,}})*))?"
)
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS = {word: number for number, word in enumerate(_ONES.split())} | {
    word: 10 * number for number, word in enumerate(_TENS.split(), 2)
}


def without_latex_unit(text: str) -> str:
    r"""Without units in ``\text{…}`` or ``\mathrm{…}`` behind a value: ``7\ \mathrm{m/s^2}`` is 7."""
    if "\\" not in text:
        return text
    text = _FRACTION.sub(r"\1/\2", text)
    found = _LATEX_UNIT.search(text)
    if found is None or (not _INSIDE.search(found[1]) and not re.search(r"Omega|AA", found[1])):
        return text
    inside = " ".join(content[1] for content in _INSIDE.finditer(found[1]))
    words = re.sub(r"\\[ ,;:!]|[~\s]|\\cdot|\\times|[·*/]", " ", inside)
    if inside.strip() in ("e", "i", "d", "degrees", "degree") or not _is_unit(
        " ".join(words.split()), wrapped=True
    ):
        return text
    return text[: found.start()]


def without_unit(text: str) -> str:
    """Without the unit in plain text behind a value: ``65.49 kJ/mol``, ``1600cm`` and ``12 dollars``."""
    if not text or not (text[-1].isalpha() or text[-1] in ".)}º0123456789"):
        return text
    for tail in _TAIL.finditer(text, max(0, len(text) - _LONGEST_UNIT)):
        value, unit = text[: tail.start()], text[tail.end() :]
        if unit[0].isdigit() or not _VALUE.fullmatch(value):
            continue
        attached = tail.end() == tail.start()
        behind_number = _NUMBER.search(value) is not None and not attached
        if _is_unit(unit) if behind_number else _is_clear_unit(unit, attached=attached):
            return value.strip()
    return text


def _is_clear_unit(text: str, *, attached: bool) -> bool:
    r"""Is it a unit where a product may be meant, as in ``2mg`` and ``\frac{3}{2} kT``?"""
    name = re.sub(r"[.)(]| ?\^ ?\{?-?[0-9]\}?", "", text)
    if _CLEAR.fullmatch(name):
        return True
    return not attached and ("/" in text or _first_word(text) > 3) and _is_unit(text)


def _is_unit(text: str, *, wrapped: bool = False) -> bool:
    if not wrapped and _SYMBOLS.fullmatch(text) and text.rstrip(".") != "pm":
        return len(re.sub(r"[^A-Za-zµμΩÅ°º]", "", text)) > 1 or text[0] in "ΩÅ\\"
    if any(_CHANGING.fullmatch(word.strip("(),").rstrip(".").lower()) for word in text.split()):
        return False
    if wrapped:
        return re.search(r"[0-9=<>+]", _WRAPPED_EXPONENT.sub("", text)) is None
    return _WORDS.fullmatch(text) is not None and _first_word(text) >= 3


def _first_word(text: str) -> int:
    """The length of the first word."""
    found = re.search(r"[^\W\d_]+", text)
    return 0 if found is None else len(found[0])


def without_letter(text: str, *, attached: bool = False) -> tuple[str, str]:
    """A number and the letter behind a space that may be its unit; the letter is empty where there is none.

    With ``attached``, a letter right behind the number counts too: ``7m``.
    """
    found = (_ANY_LETTER if attached else _SPACED_LETTER).fullmatch(text)
    return (text, "") if found is None else (found[1].rstrip(), found[2])


def multiplied(text: str) -> str:
    """``5 million`` as 5000000, ``3 dozen eggs`` as 36; anything else as it is."""
    found = _MULTIPLIED.fullmatch(text.lower())
    if found is None or (found[3] is not None and not _is_unit(found[3])):
        return text
    return f"{Decimal(found[1]) * MULTIPLIERS[found[2]]:f}"


def spelled_number(text: str) -> str:
    """A whole number in English words as digits: ``twenty-one`` is 21; anything else as it is."""
    total, group = 0, 0
    words = text.lower().replace("-", " ").split()
    for position, word in enumerate(words):
        if word in _NUMBER_WORDS:
            value = _NUMBER_WORDS[word]
            if (position and not value) or (group % 100 and (value >= 10 or group % 10 or group % 100 < 20)):
                return text
            group += value
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in ("thousand", "million", "billion") and group:
            total, group = total + group * MULTIPLIERS[word], 0
        elif word != "and" or position in (0, len(words) - 1):
            return text
    return str(total + group) if words else text
