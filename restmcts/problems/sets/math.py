r"""MATH: competition problems of seven subjects with worked solutions (arXiv 2103.03874).

Published as ``EleutherAI/hendrycks_math`` (a configuration a subject) and as the folder ``MATH`` of the
GitHub repository hendrycks/math, one JSON file a problem: ``problem``, ``level`` ("Level 5"), ``type``
("Algebra") and ``solution``, whose last ``\boxed{}`` is the answer. Some solutions write ``\boxed 2`` or
``\fbox``.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from pydantic import Field

from restmcts.errors import InputError
from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import PublishedProblems, published_set
from restmcts.problems.rows import Row

REPOSITORY, REVISION = "EleutherAI/hendrycks_math", "21a5633873b6a120296cce3e2df9d5550074f4a3"

Subject = Literal[
    "algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra",
    "precalculus",
]  # fmt: skip

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(\{|[^\s{$.]+)")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


class MathSubjects(PublishedProblems):
    """Problems of MATH."""

    subject: Subject | None = Field(default=None, description="one of the seven subjects; none: all")


class MathProblems(MathSubjects):
    """MATH."""

    data_set: str = "math"


def sources(settings: MathSubjects) -> dict[SplitName, Source]:
    return {"train": source(settings, "train"), "test": source(settings, "test")}


def source(settings: MathSubjects, split: str) -> Source:
    """The source of a split of MATH."""
    subjects = [settings.subject] if settings.subject else get_args(Subject)
    files = tuple(f"{subject}/{split}-00000-of-00001.parquet" for subject in subjects)
    copies = (
        tuple(f"math/**/{split}/{subject}/*.json" for subject in subjects),
        (f"math/**/{split}*.jsonl",),
        (f"math[-_]{split}*.*",),
    )
    return Source(REPOSITORY, files, REVISION, copies, folder="math")


def read(row: Row, settings: MathSubjects, split: SplitName) -> Problem | None:
    subject = str(row.maybe("subject", "type") or "").lower().replace(" & ", " and ").replace(" ", "_")
    if settings.subject not in (None, subject):
        return None
    solution = row.maybe("solution")
    answer = row.maybe("answer") or (None if solution is None else last_box(solution))
    if not answer:
        raise InputError(f"{row.place}: 'solution' has no \\boxed{{}}, and there is no field 'answer'")
    return Problem(
        id=row.maybe("unique_id", "id") or "",
        text=row.text("problem"),
        answer=answer,
        solution=solution,
        fields={
            name: value for name, value in (("subject", subject), ("level", row.maybe("level"))) if value
        },
    )


def last_box(solution: str) -> str | None:
    r"""What is in the last ``\boxed{}`` of a published solution; None where there is none."""
    boxes = list(_BOX.finditer(solution))
    if not boxes or boxes[-1][1] != "{":
        return boxes[-1][1] if boxes else None
    start, depth = boxes[-1].end(), 1
    for brace in _BRACE.finditer(solution, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return solution[start : brace.start()].strip()
    return None


MATH = published_set(
    Published(
        "math",
        "competition problems of seven subjects",
        {"train": 7500, "test": 5000},
        sources,
        read,
    ),
    MathProblems,
)
