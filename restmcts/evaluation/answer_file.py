"""The fitted constants of answer rules as a file beside a value model."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from restmcts.aggregations import Aggregation
from restmcts.errors import InputError
from restmcts.evaluation.answer_fitting import Fitted
from store.answering.constants import AnswerConstants, from_row, to_row

ANSWERS = "answers.json"
"""The name of the file in the folder of the value model."""

FORMAT = 1
AGAIN = "fit the constants again (restmcts train answers), or remove the file"
_LONGEST = 2**20


def answer_file(fitted: Fitted, aggregation: Aggregation) -> bytes:
    """The content of the file.

    Args:
        fitted: the constants, with what they were fitted to.
        aggregation: how the values of partial solutions followed from those of steps.
    """
    used = {"aggregation": aggregation, "constants": to_row(fitted.constants)}
    row = {
        "format": FORMAT,
        **used,
        "counts": fitted.counts,
        "notes": list(fitted.notes),
        "sha256": _digest(used),
    }
    return orjson.dumps(row, option=orjson.OPT_INDENT_2) + b"\n"


def read_answer_file(folder: Path, aggregation: Aggregation) -> AnswerConstants | None:
    """The constants that were fitted for the value model in ``folder``.

    None where there are none, and where they are for another aggregation.

    Raises:
        InputError: the file is damaged, or of a later version.
    """
    path = folder / ANSWERS
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > _LONGEST:
            raise InputError(f"{path}: too long for such a file; {AGAIN}")
        row: Any = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}; {AGAIN}") from None
    try:
        if row["format"] != FORMAT:
            raise InputError(f"{path}: is not of format {FORMAT}, which this version reads; {AGAIN}")
        used = {"aggregation": row["aggregation"], "constants": row["constants"]}
        if _digest(used) != row["sha256"]:
            raise InputError(f"{path}: is not what was written; {AGAIN}")
        return from_row(row["constants"]) if row["aggregation"] == aggregation else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({type(error).__name__}); {AGAIN}") from None


def _digest(used: dict[str, Any]) -> str:
    return sha256(orjson.dumps(used, option=orjson.OPT_SORT_KEYS)).hexdigest()
