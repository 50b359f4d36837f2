"""AIME: the thirty problems of a year of a competition, with answers from 0 to 999.

Those of 2024 are published as ``HuggingFaceH4/aime_2024`` (``id``, ``problem``, ``solution``, ``answer``,
``year``), those of 2025 as ``math-ai/aime25`` (``id``, ``problem``, ``answer``). Other copies spell them
``ID``, ``Problem``, ``Solution`` and ``Answer``. Answers are published with leading zeros at times.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import PublishedProblems, concluded, published_set
from restmcts.problems.rows import Row

PUBLISHED = {
    2024: (
        "HuggingFaceH4/aime_2024",
        "data/train-00000-of-00001.parquet",
        "2fe88a2f1091d5048c0f36abc874fb997b3dd99a",
    ),
    2025: ("math-ai/aime25", "test.jsonl", "563bb8404243c5f09de6ec262f2db674fe5bce9b"),
}
"""The repository, the file and the revision, by year."""


class Aime(PublishedProblems):
    """AIME."""

    data_set: str = "aime"
    year: Literal[2024, 2025] = Field(default=2024, description="the year of the competition")


def sources(settings: Aime) -> dict[SplitName, Source]:
    repository, file, revision = PUBLISHED[settings.year]
    short = settings.year % 100
    copies = tuple(
        (f"{place}*{year}*.*",) for year in (settings.year, short) for place in ("aime/", "[Aa][Ii][Mm][Ee]")
    )
    return {"test": Source(repository, (file,), revision, copies, folder=f"aime/{settings.year}")}


def read(row: Row, settings: Aime, split: SplitName) -> Problem:
    answer = row.text("answer", "Answer")
    answer = str(int(answer)) if answer.isdecimal() else answer
    name = row.maybe("id", "ID")
    return Problem(
        id=f"aime-{settings.year}-{name}" if name else "",
        text=row.text("problem", "Problem", "question", "Question"),
        answer=answer,
        solution=concluded(row.maybe("solution", "Solution"), answer),
    )


AIME = published_set(
    Published("aime", "a year of a hard competition, whole numbers", {"test": 30}, sources, read),
    Aime,
)
