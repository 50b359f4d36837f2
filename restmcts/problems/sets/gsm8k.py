r"""GSM8K: grade school word problems with whole numbers as answers (arXiv 2110.14168).

Published as ``openai/gsm8k`` (configuration ``main``) and as ``train.jsonl`` and ``test.jsonl`` of the GitHub
repository openai/grade-school-math: ``question``, and ``answer`` with the worked solution and, behind
``####``, the answer. Calculations stand in the solution once more as ``<<48/2=24>>``, which is left out.
"""

from __future__ import annotations

import re
from typing import Any

from restmcts.problems.hub import Source
from restmcts.problems.jsonl import final_answer
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import PublishedProblems, concluded, published_set
from restmcts.problems.rows import Row
from restmcts.problems.sets.gsm8k_examples import CHAIN_OF_THOUGHT

REVISION = "cc7b047b6e5bb11b4f1af84efc572db110a51b3c"

_CALCULATION = re.compile(r"<<[^<>]*>>")


class Gsm8k(PublishedProblems):
    """GSM8K."""

    data_set: str = "gsm8k"


def sources(settings: Any) -> dict[SplitName, Source]:
    return {"train": _source("train"), "test": _source("test")}


def _source(split: str) -> Source:
    copies = (
        f"gsm8k/{split}*.jsonl",
        f"gsm8k/**/{split}.jsonl",
        f"gsm8k/**/{split}-*.parquet",
        f"gsm8k*{split}*.*",
    )
    file = f"main/{split}-00000-of-00001.parquet"
    return Source("openai/gsm8k", (file,), REVISION, tuple((copy,) for copy in copies))


def read(row: Row, settings: Any, split: SplitName) -> Problem:
    worked, answer = final_answer(row.text("answer"), row.place)
    solution = row.maybe("solution") or worked
    text = None if solution is None else _CALCULATION.sub("", solution)
    return Problem(
        id=row.maybe("id") or "",
        text=row.text("question", "problem"),
        answer=answer,
        solution=concluded(text, answer or ""),
    )


GSM8K = published_set(
    Published(
        "gsm8k",
        "grade school word problems",
        {"train": 7473, "test": 1319},
        sources,
        read,
        CHAIN_OF_THOUGHT,
    ),
    Gsm8k,
)
