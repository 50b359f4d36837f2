"""The grader ``reasoning-gym``: the scorer of the task that made the problem says whether an answer is right.

Many tasks have more than one right answer, for example a plan, or an expression that gives a number
(`countdown`). The library scores them by what the task asks for, and not by the oracle answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from restmcts.grading.finding import find_answer, is_complete, last_tag
from restmcts.grading.limited import LimitedGrader
from restmcts.grading.maths.normalize import normalize_answer
from restmcts.grading.registry import GraderKind
from restmcts.problems.problem import Problem

MAX_ANSWER = 20_000
"""Longer answers are wrong; no task has one."""

_WHOLE = re.compile(r"-?[0-9]+")
_CODE = re.compile(
    r"__\w+__|\b(?:breakpoint|compile|eval|exec|getattr|globals|input|locals|open|setattr|vars)\s*\("
)
"""What no answer holds, and scorers that call ``eval`` would run."""


class GymGrader(LimitedGrader):
    """Scores answers in a process with limits; usable from any thread.

    A problem names its task and its metadata in ``fields``: ``task`` and ``metadata``, as the data set
    reasoning-gym writes them.

    Args:
        seconds: limit of one answer, in seconds of processor time.
        memory: address space of the process, in bytes.
    """

    def __init__(self, *, seconds: float = 2.0, memory: int = 2 * 1024**3) -> None:
        failure = 'answers cannot be scored: {reason}; check with pip install "restmcts[data]"'
        super().__init__("restmcts.grading.graders.gym_worker", failure, seconds, memory)

    def find_answer(self, text: str, problem: Problem) -> str | None:
        """The last ``<answer>…</answer>``, which may have several lines, else ``#### …`` in the last line.

        Otherwise it is what :func:`restmcts.grading.finding.find_answer` finds. Whole numbers are in one
        spelling; other answers stay as they are written, because spaces mean something to some tasks.
        """
        found = last_tag(text) or _behind_hashes(text) or find_answer(text)
        if found is None:
            return None
        plain = normalize_answer(found)
        return plain if _WHOLE.fullmatch(plain) else found.strip()

    def is_complete(self, text: str, problem: Problem) -> bool:
        """Whether the text marks its answer, see :func:`restmcts.grading.finding.is_complete`."""
        return last_tag(text) is not None or is_complete(text)

    def grade(self, problem: Problem, answers: Sequence[str]) -> list[bool | None]:
        """Whether the scorer of the task gives each answer its full score, in one of its spellings."""
        task, metadata = problem.fields.get("task"), problem.fields.get("metadata")
        if not isinstance(task, str) or metadata is None:
            return [None] * len(answers)
        entry = repr({"question": problem.text, "answer": problem.answer, "metadata": metadata})
        return [self._score(task, entry, answer) for answer in answers]

    def _score(self, task: str, entry: str, answer: str) -> bool | None:
        if len(answer) > MAX_ANSWER or _CODE.search(answer):
            return False
        spellings = list(dict.fromkeys([answer, normalize_answer(answer)]))
        request: dict[str, Any] = {"task": task, "answers": spellings, "entry": entry}
        with self._lock:
            self.stats.graded += 1
            return self._remembered((task, entry, answer), request)


def _behind_hashes(text: str) -> str | None:
    last = text[-MAX_ANSWER:].rstrip().rpartition("\n")[2].strip()
    return last.removeprefix("####").strip() or None if last.startswith("####") else None


GYM = GraderKind(GymGrader, "the scorer of the task of reasoning-gym that made the problem")
