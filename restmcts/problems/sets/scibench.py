"""SciBench: college problems of physics, chemistry and mathematics, answered by numbers (arXiv 2307.10635).

Published as ``xw27/scibench`` and in the folder ``dataset/original`` of the GitHub repository
mandyyyyii/scibench, an array a textbook: ``problem_text``, ``answer_number``, ``answer_latex``, ``unit``,
``source`` (the textbook) and ``problemid``. The files ``…_sol.json`` hold other problems with a ``solution``;
they are what the authors show as examples, and the training problems here. An answer counts if it is within
5 %, and the question ends with the unit, both as in the authors' own evaluation.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from restmcts.problems.files import stem
from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import PublishedProblems, concluded, published_set
from restmcts.problems.rows import Row
from restmcts.problems.splits import QUESTION

TOLERANCE = 0.05

Textbook = Literal[
    "atkins", "calculus", "chemmc", "class", "diff", "fund", "matter", "quan", "stat", "thermo"
]  # fmt: skip


class SciBench(PublishedProblems):
    """SciBench."""

    data_set: str = "scibench"
    subject: Textbook | None = Field(default=None, description="one of the ten textbooks; none: all")


def sources(settings: SciBench) -> dict[SplitName, Source]:
    books = [settings.subject] if settings.subject else list(get_args(Textbook))
    return {"train": _source(books, "_sol", "train"), "test": _source(books, "", "test")}


def _source(books: list[str], ending: str, split: str) -> Source:
    copies = [tuple(f"scibench/**/{book}{ending}.json" for book in books), (f"scibench*{split}*.jsonl",)]
    if split == "test":
        copies += [("scibench/scibench*.jsonl",), ("scibench[-_.]?*jsonl",)]
    return Source("xw27/scibench", tuple(f"{book}{ending}.json" for book in books), copies=tuple(copies))


def read(row: Row, settings: SciBench, split: SplitName) -> Problem | None:
    book = row.maybe("source", "subject") or stem(row.file).removesuffix("_sol")
    if settings.subject not in (None, book):
        return None
    answer, unit = row.text("answer_number", "answer"), row.maybe("unit")
    question = row.text("problem_text", "problem")
    solution = row.maybe("solution")
    return Problem(
        id=row.maybe("id") or f"scibench-{book}-{split}-{row.number:03d}",
        text=f"{question} The unit of the answer is {unit}." if unit else question,
        answer=answer,
        solution=concluded(solution, answer),
        tolerance=TOLERANCE,
        fields={"subject": book, QUESTION: question} | ({"unit": unit} if unit else {}),
    )


SCIBENCH = published_set(
    Published(
        "scibench",
        "college problems of ten textbooks, numbers within 5 %",
        {"train": 112, "test": 580},
        sources,
        read,
        by_subject=True,
    ),
    SciBench,
)
