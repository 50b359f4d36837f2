"""Search tasks as JSON, for workers in other processes.

What arrives is what was sent, so that it is searched and graded just as it would be here. The JSON of the
standard library keeps text that is no Unicode, and whole numbers of any size. The further fields of a problem
are a Python literal in it, because graders tell tuples from lists (:mod:`restmcts.problems.gym`).
"""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Sequence
from typing import Any

from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.search.registry import method_settings
from restmcts.search.running.task import SearchTask
from restmcts.search.settings import Limits
from restmcts.settings import checked
from store.encoding.searches import event_from, event_row


def encode_task(task: SearchTask) -> bytes:
    """A task as one JSON object.

    Raises:
        InputError: a field of the problem is no literal.
    """
    row = {
        "problem": _problem_row(task.problem),
        "method": task.method,
        "settings": task.settings.model_dump(mode="json"),
        "seed": task.seed,
        "budget": task.budget,
        "phase": task.phase,
        "number": task.number,
        "temperature": task.temperature,
        "stored": None if task.stored is None else [event_row(event) for event in task.stored],
        "limits": task.limits.given,
    }
    return json.dumps(row, separators=(",", ":")).encode("ascii")


def decode_task(data: bytes) -> SearchTask:
    """The task of :func:`encode_task`.

    Raises:
        InputError: its method is not known here, or has other settings.
    """
    row = json.loads(data)
    stored, where = row["stored"], f"{row['phase']}/{row['number']}"
    return SearchTask(
        problem=_problem_from(row["problem"]),
        method=row["method"],
        settings=method_settings(row["method"], row["settings"], where),
        seed=row["seed"],
        budget=row["budget"],
        phase=row["phase"],
        number=row["number"],
        temperature=row["temperature"],
        stored=None if stored is None else tuple(map(event_from, stored)),
        limits=checked(Limits, row["limits"], where),
    )


def encode_problems(problems: Sequence[Problem]) -> bytes:
    """Problems as one JSON list. Raises :class:`InputError` like :func:`encode_task`."""
    return json.dumps(list(map(_problem_row, problems))).encode("ascii")


def problems_from(data: bytes) -> list[Problem]:
    """The problems of :func:`encode_problems`."""
    return list(map(_problem_from, json.loads(data)))


def _problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as JSON values.

    Raises:
        InputError: one of its fields is no literal, such as a date.
    """
    fields = repr(problem.fields)
    if problem.fields and not _is_literal(fields, problem.fields):
        raise InputError(
            f"problem {problem.id!r} cannot be sent to a worker: its further fields must be texts, numbers,"
            " lists and the like"
        )
    return {
        "id": problem.id,
        "text": problem.text,
        "answer": problem.answer,
        "solution": problem.solution,
        "tolerance": problem.tolerance,
        "fields": fields,
        "examples": [list(example) for example in problem.examples],
    }


def _problem_from(row: dict[str, Any]) -> Problem:
    examples = tuple((text, solution) for text, solution in row["examples"])
    return Problem(**{**row, "fields": literal_eval(row["fields"]), "examples": examples})


def _is_literal(text: str, value: object) -> bool:
    try:
        return bool(literal_eval(text) == value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
