"""C-Eval Hard: eight subjects of Chinese examinations that need reasoning, four options (arXiv 2305.08322).

Published as ``ceval/ceval-exam`` (a configuration a subject) and as an archive of CSV files
(``val/advanced_mathematics_val.csv``): ``id``, ``question``, ``A`` to ``D``, ``answer`` and, in the split
``dev``, ``explanation``. The answers of the split ``test`` are not published, so ``val`` is tested on; the
five problems a subject of ``dev`` are the examples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from restmcts.errors import InputError
from restmcts.problems.choices import ChoiceProblems, fields, with_options
from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import concluded, published_set
from restmcts.problems.rows import Row

Subject = Literal[
    "advanced_mathematics", "college_chemistry", "college_physics", "discrete_mathematics",
    "high_school_chemistry", "high_school_mathematics", "high_school_physics", "probability_and_statistics",
]  # fmt: skip


PUBLISHED_AS = {"test": "val", "examples": "dev"}
"""What a split is called by its authors."""


class CEvalHard(ChoiceProblems):
    """C-Eval Hard."""

    data_set: str = "c-eval-hard"
    prompt: str = "以下是单项选择题，请选出正确答案的字母。\n\n{problem}"  # noqa: RUF001
    subject: Subject | None = Field(default=None, description="one of the eight subjects; none: all")


def sources(settings: CEvalHard) -> dict[SplitName, Source]:
    subjects = [settings.subject] if settings.subject else list(get_args(Subject))
    return {"test": _source(subjects, "val"), "examples": _source(subjects, "dev")}


def _source(subjects: list[str], split: str) -> Source:
    files = tuple(f"{subject}/{split}-00000-of-00001.parquet" for subject in subjects)
    copies = (
        tuple(f"c-eval-hard/**/{subject}_{split}.csv" for subject in subjects),
        tuple(f"c*eval*/**/{subject}_{split}.csv" for subject in subjects),
        tuple(f"c-eval-hard/**/{subject}/{split}/*.parquet" for subject in subjects),
    )
    return Source("ceval/ceval-exam", files, copies=copies)


def read(row: Row, settings: CEvalHard, split: SplitName) -> Problem:
    subject, question = _subject(row.file), row.text("question")
    options = [row.text(letter) for letter in "ABCD"]
    answer = row.text("answer").upper()
    if answer not in ("A", "B", "C", "D"):
        raise InputError(f"{row.place}: 'answer' is {answer!r}, and not the letter of an option")
    explanation = row.maybe("explanation")
    if split == "examples":
        explanation = concluded(explanation or "", answer)
    return Problem(
        id=f"c-eval-{subject}-{PUBLISHED_AS[split]}-{row.maybe('id') or row.number}",
        text=with_options(question, options),
        answer=answer,
        solution=explanation,
        fields=fields(question, options, subject=subject),
    )


def _subject(path: Path) -> str:
    """The subject that a file is of, by its name or that of a folder."""
    names = [part.removesuffix("_val").removesuffix("_dev") for part in (path.stem, *reversed(path.parts))]
    return next(name for name in names if name in get_args(Subject))


C_EVAL_HARD = published_set(
    Published(
        "c-eval-hard",
        "Chinese examinations of eight subjects, four options",
        {"test": 152, "examples": 40},
        sources,
        read,
        by_subject=True,
    ),
    CEvalHard,
)
