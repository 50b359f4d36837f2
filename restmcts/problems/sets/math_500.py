"""MATH-500: 500 test problems of MATH, chosen in arXiv 2305.20050; the training problems are those of MATH.

Published as ``HuggingFaceH4/MATH-500`` and as ``prm800k/math_splits/test.jsonl`` of the GitHub repository
openai/prm800k: ``problem``, ``solution``, ``answer``, ``subject`` ("Algebra"), ``level`` (1 to 5) and
``unique_id`` ("test/algebra/1072.json").
"""

from __future__ import annotations

from restmcts.problems.hub import Source
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import published_set
from restmcts.problems.sets.math import MathSubjects, read, source

REVISION = "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be"


class Math500(MathSubjects):
    """MATH-500."""

    data_set: str = "math-500"


def sources(settings: Math500) -> dict[SplitName, Source]:
    copies = ("math-500/**/test.jsonl", "MATH-500/test.jsonl", "math-500/*.jsonl", "[Mm][Aa][Tt][Hh]?500*.*")
    patterns = (*copies, "math500*.*")
    test = Source("HuggingFaceH4/MATH-500", ("test.jsonl",), REVISION, tuple((one,) for one in patterns))
    return {"train": source(settings, "train"), "test": test}


MATH_500 = published_set(
    Published(
        "math-500",
        "500 test problems of MATH; trained on the training problems of MATH",
        {"train": 7500, "test": 500},
        sources,
        read,
    ),
    Math500,
)
