"""TheoremQA: problems that need a theorem of mathematics, physics, engineering or finance (arXiv 2305.12524).

Published as ``TIGER-Lab/TheoremQA`` and as ``theoremqa_test.json`` of the GitHub repository
TIGER-AI-Lab/TheoremQA: ``Question``, ``Answer``, ``Answer_type`` (bool, integer, float, list of integer, list
of float, option) and ``Picture``, in the repository also ``id`` and ``theorem``. Problems with a picture are
left out. Numbers that are no whole numbers count within 4 %, as in the authors' evaluation.
"""

from __future__ import annotations

from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import PublishedProblems, published_set
from restmcts.problems.rows import Row
from restmcts.problems.splits import QUESTION

REVISION = "a340b1782960a712843aae3ed25f1e013cc008a5"

TOLERANCE = 0.04

HINTS = {
    "bool": "The answer is True or False.",
    "list of integer": "The answer is a list of numbers, such as [1, 2].",
    "list of float": "The answer is a list of numbers, such as [0.5, 1.2].",
    "option": "The answer is the letter of an option, such as (a).",
}
"""What is asked for beside the question, where it is not a number."""


class TheoremQa(PublishedProblems):
    """TheoremQA."""

    data_set: str = "theoremqa"


def sources(settings: TheoremQa) -> dict[SplitName, Source]:
    copies = (("theoremqa/**/theoremqa_test.json",), ("theoremqa/*.json*",), ("[Tt]heorem[Qq][Aa]*.*",))
    return {"test": Source("TIGER-Lab/TheoremQA", ("data/test-00000-of-00001.parquet",), REVISION, copies)}


def read(row: Row, settings: TheoremQa, split: SplitName) -> Problem | None:
    if row.values.get("Picture") not in (None, "", "None"):
        return None
    question, kind = row.text("Question", "problem"), row.maybe("Answer_type", "answer_type") or ""
    answer = row.values.get("Answer")
    return Problem(
        id=row.maybe("id") or "",
        text=f"{question}\n\n{HINTS[kind]}" if kind in HINTS else question,
        answer=str(answer) if isinstance(answer, bool | list) else row.text("Answer", "answer"),
        tolerance=TOLERANCE if kind in ("float", "list of float") else None,
        fields={QUESTION: question, "answer_type": kind},
    )


THEOREMQA = published_set(
    Published("theoremqa", "problems that need a theorem, without pictures", {"test": 800}, sources, read),
    TheoremQa,
)
