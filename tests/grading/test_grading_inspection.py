"""What `restmcts grade` is made of: a file is graded without a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restmcts.errors import InputError
from restmcts.grading.graders.math_grader import MathGrader
from restmcts.grading.inspection import inspect_file


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_oracles_solutions_and_responses_are_graded(tmp_path: Path) -> None:
    file = written(
        tmp_path / "problems.jsonl",
        {
            "id": "a",
            "problem": "6 * 7?",
            "answer": "42",
            "solution": "6 * 7 = 42\n#### 42",
            "responses": ["The answer is 41.\nNo, the answer is 42.", "I do not know"],
        },
        {"id": "b", "problem": "1 + 1?", "answer": "2", "response": "The answer is 3."},
    )
    with MathGrader() as grader:
        rows = list(inspect_file(file, grader))
    assert [(row.problem, row.of, row.found, row.verdict) for row in rows] == [
        ("a", "oracle", "42", True),
        ("a", "solution", "42", True),
        ("a", "response", "42", True),
        ("a", "response", None, False),
        ("b", "oracle", "2", True),
        ("b", "response", "3", False),
    ]
    assert [(row.prefixes, row.early_stops) for row in rows[1:4]] == [(1, 0), (1, 1), (0, 0)]


@pytest.mark.parametrize("more", [{"response": 3}, {"responses": "text"}, {"responses": ["text", None]}])
def test_a_response_is_text(tmp_path: Path, more: dict[str, Any]) -> None:
    file = written(tmp_path / "p.jsonl", {"id": "a", "problem": "?", "answer": "1", **more})
    with MathGrader() as grader, pytest.raises(InputError, match="problem 'a': 'response' must be text"):
        list(inspect_file(file, grader))
