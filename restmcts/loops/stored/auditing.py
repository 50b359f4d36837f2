"""Audits a stored run: its verdicts against those of another grader, or of a language model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from restmcts.engines.open import open_policy
from restmcts.engines.prompted.equality import EqualityJudge
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError
from restmcts.evaluation.audit import Audit, audit
from restmcts.grading.choices import options_of
from restmcts.grading.finding import AnswerFinder, MathAnswers
from restmcts.grading.registry import GRADERS, Grader
from restmcts.problems.problem import Problem
from store.events import FREE, Cost, SearchRecord
from store.files.journal import read_journal
from store.files.layout import RunLayout
from store.runs.reading import read_overrides, read_trees

JUDGE = "judge"
"""What the model that is asked is called beside the graders."""


class JudgeGrader(MathAnswers):
    """Grades by asking a language model; counts what that takes. Opened by :func:`open_judge`."""

    def __init__(self, judge: EqualityJudge, runner: asyncio.Runner) -> None:
        self.cost: Cost = FREE
        self._judge = judge
        self._runner = runner

    def grade(self, problem: Problem, answers: Sequence[str]) -> list[bool | None]:
        """The verdict of the model on each answer; None where its reply is neither yes nor no.

        Raises:
            EngineError: the model failed.
        """
        oracle = problem.answer
        assert oracle is not None

        async def ask() -> list[tuple[bool | None, Cost]]:
            asked = [self._judge.equal(problem.text, oracle, answer) for answer in answers]
            return list(await asyncio.gather(*asked))

        found = self._runner.run(ask())
        self.cost = sum((cost for _, cost in found), self.cost)
        return [verdict for verdict, _ in found]


@contextmanager
def open_judge(models: ModelSettings) -> Iterator[JudgeGrader]:
    """A grader that asks the policy of some settings.

    Raises:
        InputError: the folder holds no usable policy, or the engine is not installed.
        EngineError: a server cannot be reached.
    """
    name = models.policy_name
    assert name is not None
    with ExitStack() as opened:
        runner = opened.enter_context(asyncio.Runner())
        policy = open_policy(Path(name), models, name=name)
        opened.callback(policy.close)
        yield JudgeGrader(EqualityJudge(policy), runner)


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit, and the phases whose trees were looked at."""

    phases: tuple[str, ...]
    audit: Audit


def audit_run(
    layout: RunLayout, phase: str | None, problems: Iterable[Problem], other: Grader | JudgeGrader
) -> Audited:
    """Compare the verdicts in the stored trees of a run with those of another grader.

    Args:
        layout: the run.
        phase: the phase whose trees are looked at; None: all.
        problems: the problems as far as they are known, with all their fields.
        other: the other grader.

    Raises:
        InputError: there are no trees.
        StoreError: a file cannot be read.
    """
    names = phases_with_trees(layout, phase)
    by_text = {(problem.id, problem.text): problem for problem in problems}
    finder: AnswerFinder = other
    found = audit(_records(layout, names), by_text, finder, other.grade, read_overrides(layout))
    return Audited(tuple(names), found)


def _records(layout: RunLayout, phases: Sequence[str]) -> Iterator[SearchRecord]:
    journal = read_journal(layout)
    return chain.from_iterable(
        read_trees(layout, phase, whole=journal.phases[phase].status == "done") for phase in phases
    )


def phases_with_trees(layout: RunLayout, phase: str | None) -> list[str]:
    """The phases of a run that have stored trees; only one of them where ``phase`` names it.

    Raises:
        InputError: there is none.
    """
    known = [name for name in read_journal(layout).phases if layout.trees(name).exists()]
    wanted = [name for name in known if phase in (None, name)]
    if not wanted:
        what = "" if phase is None else f" in phase {phase!r}"
        raise InputError(
            f"run {layout.run!r} has no trees{what}; phases with trees: {', '.join(known) or 'none'}"
        )
    return wanted


def other_grader(grader: str, problems: Sequence[Problem]) -> str:
    """The name of the grader that says most beside that of the run."""
    if grader != "reasoning-gym" and any("task" in problem.fields for problem in problems):
        return "reasoning-gym"
    if grader != "choice" and problems and all(options_of(problem) for problem in problems):
        return "choice"
    return "exact" if grader == "math" else "math"


def check_grader(name: str) -> None:
    """Refuse a name that is neither a grader nor ``judge``. Raises :class:`InputError`."""
    if name != JUDGE:
        GRADERS.origin(name, "--with")
