r"""The process that compares answers by algebra; started by :mod:`restmcts.grading.graders.math_grader`.

A request is ``{"answer": str, "oracle": str, "tolerance": number or null}``.
"""

from __future__ import annotations

from typing import Any

from restmcts.grading.limited_worker import serve
from restmcts.grading.maths import algebra


def _prepare() -> None:
    algebra.equal("x+1/2", r"\frac{1}{2}+x")


def _compare(request: dict[str, Any]) -> bool:
    return algebra.equal(request["answer"], request["oracle"], request["tolerance"])


if __name__ == "__main__":
    serve(_prepare, _compare)
