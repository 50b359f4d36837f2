"""Problems from JSON Lines files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from restmcts.errors import InputError
from restmcts.problems.files import parse_object, read_items, stem
from restmcts.problems.problem import Problem
from restmcts.problems.registry import DataSet, DataSetSettings
from restmcts.problems.splits import HELD_OUT_ONE_IN, Splits, held_out

LONGEST_ANSWER = 500
"""Characters of an oracle answer; longer ones are worked solutions, which no answer would equal."""

KNOWN = ("id", "problem", "answer", "solution", "tolerance")


class JsonlProblems(DataSetSettings):
    """JSON Lines files with ``problem`` and ``answer``; see :func:`load_problems`."""

    paths: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    train: str | None = Field(
        default=None,
        description=(
            "file of training problems; without it there are test problems alone, which is enough for a"
            " search and an evaluation"
        ),
    )
    validation: str | None = Field(
        default=None,
        description=(
            "file of the problems that decide which checkpoint is carried on; none: one training problem in"
            " ten"
        ),
    )
    test: str | None = Field(
        default=None,
        description="file of the problems that are only measured on; none: the validation problems",
    )
    train_limit: int | None = Field(
        default=None,
        ge=1,
        description="number of training problems, from the first; none: all",
    )
    validation_limit: int | None = Field(
        default=None,
        ge=1,
        description="number of validation problems, from the first; none: all",
    )
    test_limit: int | None = Field(
        default=None,
        ge=1,
        description="number of test problems, from the first; none: all",
    )

    @model_validator(mode="after")
    def _has_a_file(self) -> JsonlProblems:
        if self.train is None and (self.test is None or self.validation is not None):
            raise ValueError("train is missing: name a JSON Lines file of problems as problems.train")
        return self


def load_files(files: JsonlProblems, seed: int) -> Splits:
    """The problems of the files; the seed changes nothing.

    Raises:
        InputError: a file is missing or wrong, a problem is in two splits, or a split is empty.
    """
    if files.train is None:
        assert files.test is not None
        return Splits([], [], load_problems(Path(files.test), limit=files.test_limit), [])
    train = load_problems(Path(files.train), limit=files.train_limit)
    if files.validation is not None:
        validation = load_problems(Path(files.validation), limit=files.validation_limit)
    else:
        aside = {problem.id for problem in train if held_out(problem.id, "validation")}
        validation = [problem for problem in train if problem.id in aside][: files.validation_limit]
        train = [problem for problem in train if problem.id not in aside]
    test = load_problems(Path(files.test), limit=files.test_limit) if files.test else validation
    splits = Splits(train, validation, test, [problem for problem in train if problem.solution])
    if not train or not validation:
        raise InputError(
            f"{files.train}: too few problems: after setting one in {HELD_OUT_ONE_IN} aside for validation,"
            f" {len(train)} are left to train on and {len(validation)} to validate; give more problems or a"
            " file as problems.validation"
        )
    return splits


def named_files(files: JsonlProblems) -> list[Path]:
    """The files of the settings, each once."""
    named = (files.train, files.validation, files.test)
    return [Path(name) for name in dict.fromkeys(named) if name is not None]


JSONL = DataSet(JsonlProblems, load_files, "JSON Lines files of problems", files=named_files)


def load_problems(path: Path, *, limit: int | None = None, require_answers: bool = True) -> list[Problem]:
    """The problems of the file ``path``, at most the first ``limit`` of them.

    The file holds JSON Lines, or what else :func:`read_items` reads. A line is an object with ``problem``
    (text), ``answer`` (text, or a number, which is kept as it is written), and optionally ``id``,
    ``solution`` (text, one step a line) and ``tolerance`` (relative, for numeric answers); everything else
    goes into ``fields``. An ``answer`` with ``####`` in it, as GSM8K is published, is a worked solution and
    the oracle answer behind it. A line without ``id`` is named after the file and its line number.

    Raises:
        InputError: the file cannot be read, a line cannot be used, or there is no problem in it.
    """
    if limit is not None and limit < 1:
        raise InputError(f"cannot load {limit} problems from {path}: the limit must be 1 or more")
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for item in read_items(path):
        number = item.number
        problem = _problem(item.text, item.place, f"{stem(path)}-{number:05d}", require_answers)
        if problem.id in lines:
            raise InputError(
                f"{item.place}: the id {problem.id!r} stands on line {lines[problem.id]} already: "
                "make the ids unique, or leave them out"
            )
        lines[problem.id] = number
        problems.append(problem)
        if len(problems) == limit:
            break
    if not problems:
        raise InputError(
            f"{path} holds no problem: write one JSON object a line, with 'problem' and 'answer'"
        )
    return problems


def read_lines(path: Path, require_answers: bool = True) -> Iterator[tuple[str, Problem | InputError]]:
    """Every line of a file as :func:`load_problems` reads it: its place, and its problem or what is wrong.

    Where the file itself cannot be read on, that is the last of them.
    """
    items = read_items(path)
    while True:
        try:
            item = next(items, None)
        except InputError as error:
            yield str(path), error
            return
        if item is None:
            return
        try:
            yield (
                item.place,
                _problem(item.text, item.place, f"{stem(path)}-{item.number:05d}", require_answers),
            )
        except InputError as error:
            yield item.place, error


def _problem(line: str, place: str, name: str, require_answers: bool) -> Problem:
    row = parse_object(line, place)
    solution, answer = final_answer(_answer(row, line, place, require_answers), place)
    return Problem(
        id=_id(row, place, name),
        text=_required(row, place),
        answer=answer,
        solution=_optional_text(row, "solution", place) or solution,
        tolerance=_tolerance(row, place),
        fields={key: value for key, value in row.items() if key not in KNOWN},
    )


def _id(row: dict[str, Any], place: str, name: str) -> str:
    given = row.get("id")
    if given is None:
        return name
    if isinstance(given, bool) or not isinstance(given, str | int) or not str(given).strip():
        raise InputError(f"{place}: 'id' must be text or a whole number: correct it, or leave it out")
    return str(given)


def _required(row: dict[str, Any], place: str) -> str:
    text = _optional_text(row, "problem", place)
    if text is None or not text.strip():
        raise InputError(f"{place}: 'problem' is missing or empty: every line needs the text of a problem")
    return text


def _optional_text(row: dict[str, Any], key: str, place: str) -> str | None:
    text = row.get(key)
    if text is None or isinstance(text, str):
        return text
    raise InputError(f"{place}: {key!r} must be text, not {type(text).__name__}: put it in quotes")


def _answer(row: dict[str, Any], line: str, place: str, required: bool) -> str | None:
    answer = row.get("answer")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float | None):
        raise InputError(f"{place}: 'answer' must be text or a number, not {type(answer).__name__}")
    if isinstance(answer, int | float):
        # Read again without conversion: 50.70 must not become 50.7, nor 1e23 become 9.999e22.
        answer = str(json.loads(line, parse_int=str, parse_float=str)["answer"])
    if answer is not None and answer.strip():
        return answer
    if required:
        raise InputError(f"{place}: 'answer' is missing or empty: every line needs the oracle answer")
    return None


def final_answer(answer: str | None, place: str) -> tuple[str | None, str | None]:
    """A worked solution with the final answer behind ``####``, as GSM8K is published, in its two parts.

    Raises:
        InputError: there is no final answer, or it is too long to be one.
    """
    if answer is None:
        return None, None
    solution, mark, final = answer.rpartition("####")
    if not mark:
        final = answer
    if len(final) > LONGEST_ANSWER or not final.strip():
        raise InputError(
            f"{place}: 'answer' is {len(final.strip())} characters long, and at most {LONGEST_ANSWER} can be"
            " compared: give the final answer alone, and the worked solution as 'solution'"
        )
    return solution.strip() or None, final.strip() if mark else answer


def _tolerance(row: dict[str, Any], place: str) -> float | None:
    value = row.get("tolerance")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"{place}: 'tolerance' must be a number from 0 up, such as 0.05 for 5 %")
    return float(value)
