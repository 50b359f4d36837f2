"""A distribution with a data set and a grader, as somebody else would write it, in a folder."""

from __future__ import annotations

from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: letters\nVersion: 1.2\n"

ENTRY_POINTS = """\
[restmcts.data_sets]
letters = letters:LETTERS
broken = letters:nothing

[restmcts.graders]
choices = letters:CHOICES
wrong-kind = letters:LETTERS
"""

CODE = """
import re

from pydantic import Field

from restmcts.grading.registry import GraderKind
from restmcts.problems.problem import Problem
from restmcts.problems.registry import DataSet, DataSetSettings
from restmcts.problems.splits import Splits

LETTER = re.compile(r"answer is \\(?([A-D])\\b")


class Letters(DataSetSettings):
    data_set: str = "letters"
    grader: str = "choices"
    count: int = Field(default=3, ge=1)


def load(settings, seed):
    def problems(name):
        texts = [f"Which letter? ({seed}, {name} {n})" for n in range(settings.count)]
        return [
            Problem(f"{name}-{n}", text, "ABCD"[n % 4], fields={"options": "ABCD"})
            for n, text in enumerate(texts)
        ]

    return Splits(problems("train"), problems("validation"), problems("test"), [])


class ChoiceGrader:
    def find_answer(self, text, problem):
        found = LETTER.findall(text)
        return found[-1] if found else f"none of {problem.fields.get('options')}"

    def is_complete(self, text, problem):
        return LETTER.search(text) is not None

    def grade(self, problem, answers):
        return [answer == problem.answer for answer in answers]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        print("closed")


LETTERS = DataSet(Letters, load, "letters to choose from")
CHOICES = GraderKind(ChoiceGrader, "the letter of a choice")
"""


def install(folder: Path) -> Path:
    """Write the distribution into ``folder``, which is to stand in ``PYTHONPATH``."""
    info = folder / "letters-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA, "utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, "utf-8")
    (folder / "letters.py").write_text(CODE, "utf-8")
    return folder
