r"""The process that scores answers by reasoning-gym; started by :mod:`restmcts.grading.graders.gym_grader`.

A request is ``{"task": str, "answers": [str, ...], "entry": str}``. ``answers`` are spellings of one answer;
``entry`` is the problem as reasoning-gym made it, as a Python literal, because JSON has no tuples.

Some scorers call ``eval`` on the answer, which a language model wrote. So this process cannot start another
one, reach the network, or change a file once it is ready.
"""

from __future__ import annotations

import importlib
import os
import sys
from ast import literal_eval
from functools import cache
from typing import Any

from restmcts.grading.limited_worker import serve

RIGHT = 1.0
"""The score of a right answer. Smaller scores are for answers that are close, or well-formed."""

_FORBIDDEN = (
    "ctypes.",
    "ftplib.",
    "http.",
    "os.chmod",
    "os.chown",
    "os.exec",
    "os.fork",
    "os.kill",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.spawn",
    "os.startfile",
    "os.symlink",
    "os.system",
    "os.truncate",
    "os.unsetenv",
    "os.utime",
    "pty.",
    "shutil.",
    "smtplib.",
    "socket.",
    "subprocess.",
    "tempfile.",
    "urllib.",
    "webbrowser.",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _prepare() -> None:
    importlib.import_module("reasoning_gym")
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    opened = event == "open" and len(arguments) > 2 and arguments[2] is not None
    if event.startswith(_FORBIDDEN) or (opened and int(arguments[2]) & _WRITING):
        raise PermissionError(f"{event} is not for answers")


def _compare(request: dict[str, Any]) -> bool:
    score = _scorer(request["task"])
    entry = literal_eval(request["entry"])
    return any(float(score(answer=answer, entry=entry)) >= RIGHT for answer in request["answers"])


@cache
def _scorer(task: str) -> Any:
    return importlib.import_module("reasoning_gym").get_score_answer_fn(task)


if __name__ == "__main__":
    serve(_prepare, _compare)
