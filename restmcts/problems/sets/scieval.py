"""SciEval: questions of biology, chemistry and physics (arXiv 2308.13149), those with one right option.

Published as ``OpenDFM/SciEval`` and in the GitHub repository of that name, an array a split: ``question``
(with its options, ``A. …`` a line, and "Answer:" at the end), ``answer`` (a list), ``category``, ``ability``,
``type`` and ``id``. The answers of the split ``test`` are not in the repository, so ``valid`` is tested on;
``dev`` holds the examples. Rows of another type than ``multiple-choice`` are left out.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from restmcts.errors import InputError
from restmcts.problems.choices import ChoiceProblems, fields, split_options, with_options
from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import concluded, published_set
from restmcts.problems.rows import Row


class SciEval(ChoiceProblems):
    """SciEval."""

    data_set: str = "scieval"
    subject: Literal["biology", "chemistry", "physics"] | None = Field(
        default=None, description="one of the three sciences; none: all"
    )


def sources(settings: SciEval) -> dict[SplitName, Source]:
    return {"test": _source("valid"), "examples": _source("dev")}


def _source(split: str) -> Source:
    copies = ((f"scieval/**/*scieval-{split}.json",), (f"*[Ss]ci[Ee]val*{split}.json*",))
    return Source("OpenDFM/SciEval", (f"scieval-{split}.json",), copies=copies)


def read(row: Row, settings: SciEval, split: SplitName) -> Problem | None:
    subject = row.text("category")
    if row.text("type") != "multiple-choice" or settings.subject not in (None, subject):
        return None
    question, options = split_options(row.text("question").removesuffix("Answer:"))
    letter = _letter(row)
    return Problem(
        id=row.text("id"),
        text=with_options(question, options) if options else question,
        answer=letter,
        solution=concluded("", letter) if split == "examples" else None,
        fields=fields(question, options, subject=subject, ability=row.maybe("ability")),
    )


def _letter(row: Row) -> str:
    answer = row.values.get("answer")
    found = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
    if not isinstance(found, str) or not found.strip().isalpha() or len(found.strip()) != 1:
        raise InputError(f"{row.place}: 'answer' is {answer!r}, and not the letter of an option")
    return found.strip().upper()


SCIEVAL = published_set(
    Published(
        "scieval",
        "questions of three sciences, one right option",
        {"test": 1187},
        sources,
        read,
        by_subject=True,
    ),
    SciEval,
)
