r"""The letter that a text chooses, and the options that it chooses from.

Letters are A to J. A letter may come with brackets, with the text of its option, in mathematics or in bold.
What names several letters chooses none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from restmcts.grading.maths.normalize import normalize_answer
from restmcts.grading.maths.notation import FULL_WIDTH
from restmcts.problems.problem import Problem

LETTERS = "ABCDEFGHIJ"

Options = Mapping[str, str]
"""The text of each option by its letter; empty where the options are not known."""

_LISTED = re.compile(r"(?:^|(?<=[\s;,]))(?:\(([A-J])\)|([A-J])[.):、])[ \t]*(?=\S)")
_WRAPPING = re.compile(
    r"\\(?:text\w*|math(?:rm|bf|it|sf)|mbox|boldsymbol|bm|bf|rm|Large|large|boxed|left|right)(?![A-Za-z])\s*"
    r"|\\[()\[\],;:! ]|~|[{}$*`\"'\u2018\u2019\u201c\u201d「」]"
)
_LEAD = re.compile(
    r"(?:(?:therefore|thus|hence|so|then|clearly|probably|most\s+likely|likely|definitely|simply|just|indeed|also"
    r"|actually|finally|now|only|the|best|correct|right|option|choice|letter|answer|alternative)(?![A-Za-z])"
    r"|选项|选|[:=,])\s*",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[(\[]\s*([A-Ja-j])\s*[)\]]")
_BARE = re.compile(r"([A-J])(?:[.):、](?!\w)|(?!\w))")
_ALONE = re.compile(r"[(\[]?\s*([A-Ja-j])\s*[)\]]?\s*[.:。]?")
_GOES_ON = re.compile(r"\s*(?:[-+=*/^_<>|&]|\\[a-z])|['\u2019]")
_SEVERAL = re.compile(
    r"\s*(?:(?:and|or|nor|&|/|和|或|、)\s*\(?(?:option\s+)?[A-J]\)?(?!\w)"
    r"|,\s*\(?[A-J]\)?(?=\s*(?:$|[,.;]|and\b|or\b)))",
    re.IGNORECASE,
)
_PROSE_NEXT = re.compile(r"\s+(?!because\b|since\b|as\b|is\b|which\b|\()[A-Za-z]")
_SENTENCE = re.compile(r"[.!?;](?=\s|$)|。|\n")
_WORDS = re.compile(r"[^\W\d_]{3,}")
_NOT_ENDED = re.compile(r"\w|[.,/^]\d|\s*[-+=*/^]")


def with_plain_signs(text: str) -> str:
    """The text with brackets, letters and stops of full width as those of ASCII; no longer or shorter."""
    return text.translate(FULL_WIDTH)


def without_wrapping(text: str) -> str:
    """The text without what only says how it looks: mathematics, bold, quotation marks."""
    return _WRAPPING.sub("", text).strip()


def options_of(problem: Problem) -> dict[str, str]:
    """The options of a problem: ``options`` in its fields, else those that its text lists from A on.

    The field is a list of texts, or a table of texts by letter.
    """
    given = problem.fields.get("options")
    if isinstance(given, Mapping):
        return {str(letter).strip("() .").upper(): str(text) for letter, text in given.items()}
    if isinstance(given, list | tuple):
        return dict(zip(LETTERS, map(str, given), strict=False))
    return _listed(with_plain_signs(problem.text))


def _listed(text: str) -> dict[str, str]:
    """Options that stand one after the other at the end of a text: ``(A) … (B) …``."""
    found: list[tuple[str, int, int]] = []
    for mark in _LISTED.finditer(text):
        letter = mark[1] or mark[2]
        if letter == "A":
            found = []
        if letter == LETTERS[len(found) : len(found) + 1]:
            found.append((letter, mark.start(), mark.end()))
    if len(found) < 2:
        return {}
    ends = [start for _, start, _ in found[1:]] + [len(text)]
    return {
        letter: text[begin:end].partition("\n")[0].strip()
        for (letter, _, begin), end in zip(found, ends, strict=True)
    }


def read_choice(phrase: str, options: Options) -> str | None:
    """The letter that a phrase begins with, or that belongs to the option that it begins with.

    None where it names several, or none of the options. A lower-case letter counts in brackets and alone.
    """
    phrase = with_plain_signs(phrase)
    plain = without_wrapping(phrase)
    while (lead := _LEAD.match(plain)) is not None:
        plain = plain[lead.end() :]
    letter = _letter(plain)
    if letter is not None and (not options or letter in options):
        return letter
    return by_text(phrase, options)


def _letter(plain: str) -> str | None:
    alone = _ALONE.fullmatch(plain)
    if alone is not None:
        return alone[1].upper()
    found = _BRACKETED.match(plain) or _BARE.match(plain)
    if found is None:
        return None
    rest = plain[found.end() :]
    if _SEVERAL.match(rest):
        return None
    # "A mixture", "I think": a word, and no letter. "C = 5": a name.
    is_word = _GOES_ON.match(rest) or (found[1] in "AI" and _PROSE_NEXT.match(rest))
    if found.re is _BARE and found[0] == found[1] and is_word:
        return None
    return found[1].upper()


def by_text(phrase: str, options: Options) -> str | None:
    """The letter of the one option that a phrase quotes: as a whole, in its first sentence, or at first."""
    if not options:
        return None
    end = _SENTENCE.search(phrase)
    quotes = {normalize_answer(part) for part in (phrase, phrase[: end.start()] if end else phrase)}
    equal = [letter for letter, text in options.items() if _spelled(text) in quotes - {""}]
    if equal:
        return equal[0] if len(equal) == 1 else None
    begun = [letter for letter, text in options.items() if _begins_with(phrase, text)]
    longest = max((len(options[letter]) for letter in begun), default=0)
    begun = [letter for letter in begun if len(options[letter]) == longest]
    return begun[0] if len(begun) == 1 else None


def _spelled(text: str) -> str:
    return normalize_answer(text.strip().rstrip(".;"))


def _begins_with(phrase: str, option: str) -> bool:
    """Whether a phrase begins with the words of an option, whole."""
    text = _plain_words(option).rstrip(".;")
    begun = _plain_words(phrase)
    if not _WORDS.search(text) or not begun.startswith(text):
        return False
    return _NOT_ENDED.match(begun[len(text) :]) is None


def _plain_words(text: str) -> str:
    return " ".join(without_wrapping(text).casefold().split())
