"""Problems whose answer is the letter of one of several options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from string import ascii_uppercase
from typing import Any

from restmcts.problems.published import PublishedProblems
from restmcts.problems.splits import QUESTION
from restmcts.seeds import derive_seed

CHOICE_PROMPT = "{problem}\n\nThe answer is the letter of the right option."

_FIRST = re.compile(r"\n\s*\(?A[.)][ \t]")


class ChoiceProblems(PublishedProblems):
    """A data set with a name whose answers are letters of options."""

    grader: str = "choice"
    prompt: str = CHOICE_PROMPT


def with_options(question: str, options: Sequence[str]) -> str:
    """A question with its options as they are shown: one a line, behind (A), (B) and so on."""
    lines = [f"({letter}) {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]
    return f"{question}\n\n" + "\n".join(lines)


def fields(question: str, options: Sequence[str], **others: Any) -> dict[str, Any]:
    """What a problem with options keeps beside its text."""
    return {QUESTION: question, "options": list(options), **others}


def shuffled(right: str, wrong: Sequence[str], name: str) -> tuple[list[str], str]:
    """Options in an order that depends on the id ``name`` alone, and the letter of the right one."""
    order = [right, *wrong]
    Random(derive_seed("options", name)).shuffle(order)
    return order, ascii_uppercase[order.index(right)]


def split_options(text: str) -> tuple[str, list[str]]:
    """A question and its options where they are published as one text, each option a line from ``A. …`` on.

    Without such lines there are no options.
    """
    starts = list(_FIRST.finditer(text))
    if not starts:
        return text.strip(), []
    place = starts[-1].start()
    rest, options = text[place:], []
    for letter, following in pairwise(ascii_uppercase):
        found = re.fullmatch(
            rf"\s*\(?{letter}[.)][ \t]*(?P<option>.*?)(?P<rest>\n\s*\(?{following}[.)][ \t].*)?",
            rest,
            re.DOTALL,
        )
        if found is None:
            break
        options.append(found["option"].strip())
        if found["rest"] is None:
            break
        rest = found["rest"]
    return text[:place].strip(), options
