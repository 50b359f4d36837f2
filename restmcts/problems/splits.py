"""The problems of a run by what they are used for, and which of them are kept to judge by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.seeds import derive_seed

HELD_OUT_ONE_IN = 10
"""One problem in so many is held out."""


@dataclass(frozen=True, slots=True)
class Splits:
    """Problems by use; no problem is in two of ``train``, ``validation`` and ``test``.

    ``demonstrations`` have worked solutions that the policy may learn from. ``notes`` say what the user
    should know about how the splits came to be.
    """

    train: list[Problem]
    validation: list[Problem]
    test: list[Problem]
    demonstrations: list[Problem]
    notes: tuple[str, ...] = ()


def held_out(problem: str, use: Literal["held-out", "validation"] = "held-out") -> bool:
    """Whether a training problem is never trained on, decided by its id alone.

    Args:
        problem: the id of the problem.
        use: ``held-out``: its trees judge value models; ``validation``: it takes the place of a validation
            problem where a data set has none. The two choices are independent.
    """
    return derive_seed(use, problem) % HELD_OUT_ONE_IN == 0


def check_apart(splits: Splits) -> None:
    """Refuse problems that are learned from and measured on, by their text; spaces and case do not count.

    Raises:
        InputError: names the first problem that is in two splits.
    """
    texts = {plain_text(problem.text): problem.id for problem in (*splits.demonstrations, *splits.train)}
    for name, problems in (("validation", splits.validation), ("test", splits.test)):
        shared = next((problem for problem in problems if plain_text(problem.text) in texts), None)
        if shared is not None:
            raise InputError(
                f"problem {shared.id!r} of the {name} problems is also the training problem"
                f" {texts[plain_text(shared.text)]!r}: remove one of them, or the accuracy would mean nothing"
            )


def plain_text(text: str) -> str:
    """A text without what does not make it another one: spaces, case, and the form of its characters."""
    return " ".join(normalize("NFKC", text).casefold().split())


QUESTION = "published_question"
"""The field of a problem that has the published question, where the text of the problem is another one."""

_LATEX_SPACING = re.compile(r"\\(?:[,;:!~ ]|(?:left|right|displaystyle|q?quad)(?![a-z]))|[$~]")
_LATEX_FRACTION = re.compile(r"\\[dt]frac")


def same_question(problem: Problem) -> str:
    """What two copies of one published question have in common, whoever has typed it.

    Beyond :func:`plain_text`, spaces of all kinds are gone, also those of LaTeX; dollar signs and sizes of
    brackets and fractions do not count.
    """
    text = plain_text(str(problem.fields.get(QUESTION, problem.text)))
    return "".join(_LATEX_FRACTION.sub(r"\\frac", _LATEX_SPACING.sub("", text)).split())


def without_overlap(problems: Sequence[Problem], measured: Iterable[Problem]) -> list[Problem]:
    """The ``problems`` whose question is not among those of the ``measured`` ones."""
    questions = {same_question(problem) for problem in measured}
    return [problem for problem in problems if same_question(problem) not in questions]
