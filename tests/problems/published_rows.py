"""Rows as data sets are published, written for the tests, and a data folder that holds them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restmcts.problems.registry import data_set_settings, load_splits
from restmcts.problems.splits import Splits

Rows = Sequence[Mapping[str, Any]]


def lines(path: Path, rows: Rows) -> Path:
    """JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def array(path: Path, rows: Rows) -> Path:
    """A JSON array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(rows), indent=1), "utf-8")
    return path


def parquet(path: Path, rows: Rows) -> Path:
    """A Parquet file."""
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(map(dict, rows))), path)
    return path


def load(name: str, **values: Any) -> Splits:
    """The problems of a data set by its name."""
    return load_splits(data_set_settings({"data_set": name, **values}), 1)


def gsm8k(number: int, answer: str = "12") -> dict[str, str]:
    """A row of GSM8K."""
    return {
        "question": f"Ann has {number} apples and buys 5 more. How many has she?",
        "answer": f"She has {number}+5=<<{number}+5={answer}>>{answer} apples.\n#### {answer}",
    }


def math(number: int, level: str = "Level 2", kind: str = "Intermediate Algebra") -> dict[str, str]:
    """A row of MATH."""
    solution = f"We get $x = {number}$, so $\\frac{{x}}{{2}} = \\boxed{{\\frac{{{number}}}{{2}}}}.$"
    return {
        "problem": f"Let $x = {number}$. Find $\\dfrac{{x}}{{2}}$.",
        "level": level,
        "type": kind,
        "solution": solution,
    }


def math_500(number: int) -> dict[str, object]:
    """A row of MATH-500."""
    return {
        "problem": f"Let $x={number}$.  Find $\\frac{{x}}{{2}}$.",
        "solution": f"It is $\\boxed{{\\frac{{{number}}}{{2}}}}$.",
        "answer": f"\\frac{{{number}}}{{2}}",
        "subject": "Intermediate Algebra",
        "level": 5,
        "unique_id": f"test/intermediate_algebra/{number}.json",
    }


def scibench(number: int, source: str, **more: str) -> dict[str, str]:
    """A row of SciBench."""
    return {
        "problem_text": f"How far is {source} number {number}?",
        "answer_latex": " 4.80",
        "answer_number": "4.80",
        "unit": " $10^8$ m",
        "source": source,
        "problemid": f" {number}.01",
        "comment": " ",
        **more,
    }


def gpqa(number: int) -> dict[str, str]:
    """A row of GPQA."""
    return {
        "Question": f"Which particle, {number}?\nOne of these.",
        "Correct Answer": "the right one\n",
        "Incorrect Answer 1": "wrong one",
        "Incorrect Answer 2": "wrong, two",
        "Incorrect Answer 3": 'wrong "three"',
        "Explanation": "By symmetry.",
        "Record ID": f"rec{number:03d}",
        "High-level domain": "Physics",
    }


def c_eval(number: int, **more: object) -> dict[str, object]:
    """A row of C-Eval."""
    options = {letter: f"选项{letter}" for letter in "ABCD"}
    return {"id": number, "question": f"第{number}题____", **options, "answer": "B", **more}


def scieval(number: int, **more: object) -> dict[str, object]:
    """A row of SciEval."""
    return {
        "question": f"Which acid, {number}?\n\nA. HCl\nB. H2O. It is\nwater\nC. NaCl\nD. A. or C.\n\nAnswer:",
        "answer": ["C"],
        "category": "chemistry",
        "topic": None,
        "ability": "Base Knowledge",
        "type": "multiple-choice",
        "id": f"{number:032x}",
        **more,
    }


def table(path: Path, rows: Rows) -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
