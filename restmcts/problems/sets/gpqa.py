"""GPQA Diamond: 198 graduate questions of biology, physics and chemistry, four options (arXiv 2311.12022).

Published as ``Idavidrein/gpqa`` (the terms have to be accepted there; the token of the hub, ``HF_TOKEN``, is
used) and in the archive of the GitHub repository idavidrein/gpqa, as ``gpqa_diamond.csv``: ``Question``,
``Correct Answer``, ``Incorrect Answer 1`` to ``3``, ``Explanation``, ``Record ID``, ``High-level domain`` and
``Subdomain``. The options are put into an order that depends on the record alone. No examples are shown: the
authors ask that problems of the set are not spread.
"""

from __future__ import annotations

from restmcts.problems.choices import ChoiceProblems, fields, shuffled, with_options
from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import concluded, published_set
from restmcts.problems.rows import Row

REVISION = "633f5ee89ab8ad4522a9f850766b73f62147ffdd"


class GpqaDiamond(ChoiceProblems):
    """GPQA Diamond."""

    data_set: str = "gpqa-diamond"


def sources(settings: GpqaDiamond) -> dict[SplitName, Source]:
    copies = (("gpqa-diamond/**/gpqa_diamond.csv",), ("gpqa/**/gpqa_diamond.csv",), ("gpqa*diamond*.*",))
    return {"test": Source("Idavidrein/gpqa", ("gpqa_diamond.csv",), REVISION, copies)}


def read(row: Row, settings: GpqaDiamond, split: SplitName) -> Problem:
    question = row.text("Question")
    name = row.maybe("Record ID") or f"gpqa-diamond-{row.number:03d}"
    wrong = [row.text(f"Incorrect Answer {number}") for number in (1, 2, 3)]
    options, letter = shuffled(row.text("Correct Answer"), wrong, name)
    return Problem(
        id=name,
        text=with_options(question, options),
        answer=letter,
        solution=concluded(row.maybe("Explanation"), letter),
        fields=fields(question, options, subject=row.maybe("High-level domain", "Subdomain") or ""),
    )


GPQA_DIAMOND = published_set(
    Published(
        "gpqa-diamond", "graduate questions of three sciences, four options", {"test": 198}, sources, read
    ),
    GpqaDiamond,
)
