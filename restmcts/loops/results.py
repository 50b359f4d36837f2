"""What phases leave behind: typed results, stored as the summary of the phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from store.errors import StoreError

OPEN = "metrics"
"""The field of a result that takes the keys of a summary which are no fields."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a phase; ``phase`` is the name of the phase."""

    phase: str = ""


@dataclass(frozen=True, kw_only=True)
class Searched(Result):
    """Trees that were searched: how many, how many of their answers are correct, and what they took.

    ``unverified``: finished solutions whose answer has no verdict, because the grader could not reach one.
    ``graded`` counts the trees with a verdict; None: an older version has not counted them.
    """

    trees: int
    solved: int
    failed: int
    answers: int
    policy_tokens: int
    value_tokens: int
    unverified: int = 0
    graded: int | None = None


@dataclass(frozen=True, kw_only=True)
class Validated(Searched):
    """Greedy accuracy (0 to 1) on the validation problems, and the mean length of a trace in tokens."""

    accuracy: float
    trace_tokens: float


@dataclass(frozen=True, kw_only=True)
class Accepted(Validated):
    """Whether a new policy is carried on, and the policy that is, with its accuracy on validation."""

    carried: bool
    policy: str
    carried_accuracy: float


@dataclass(frozen=True, kw_only=True)
class Labelled(Result):
    """Trees of the phase ``search``, labelled by ``rule``, and the chains that value models learn from."""

    rule: str
    trees: int
    labelled_steps: int
    chains: int
    search: str = ""


@dataclass(frozen=True, kw_only=True)
class Selected(Result):
    """The traces that a policy learns from: how many were correct, and how many are kept.

    ``searches``: the phases whose trees they are from; ``removed``: how many traces each filter removed.
    """

    correct_traces: int
    kept: int
    problems: int
    demonstrations: int
    searches: list[str] = field(default_factory=list)
    removed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Judged(Result):
    """Finished traces of the phase ``search`` that the policy has judged, and what that took.

    ``unreadable``: judgements without points in them, or traces without log-probabilities; they are left out.
    ``policy_tokens``: everything that was generated, as in a search; ``critic_tokens``: those of them that
    judge, which is all of them.
    """

    search: str
    judged: int
    unreadable: int
    policy_tokens: int
    critic_tokens: int
    calls: int


@dataclass(frozen=True, kw_only=True)
class Paired(Result):
    """The pairs that a policy learns preferences from, and of how many problems they are.

    ``searches``: the phases whose trees they are from; ``removed``: how many pairs each rule removed.
    """

    searches: list[str]
    pairs: int
    problems: int
    removed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tuned(Searched):
    """The sampling temperature of an iteration; the balance of each temperature that was tried, by name."""

    temperature: float
    balance: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Trained(Result):
    """A checkpoint (its folder in the run) that was trained from ``parent``, with figures of the training.

    ``samples_from``: the phases whose sample files were learned from. ``tokens`` were read in all updates;
    None: an older version has not counted them.
    """

    checkpoint: str
    parent: str | None
    updates: int
    samples: int
    first_loss: float
    last_loss: float
    samples_from: list[str] = field(default_factory=list)
    tokens: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainedValue(Trained):
    """The value model that the next iteration works with: the trained one, if it is carried."""

    value: str
    carried: bool


@dataclass(frozen=True, kw_only=True)
class Evaluated(Searched):
    """An evaluation: a row for each method, answer rule and budget."""

    rows: list[dict[str, Any]]


AnyResult = TypeVar("AnyResult", bound=Result)


def to_summary(result: Result) -> dict[str, Any]:
    """The summary of a phase as JSON values; the name of the phase is not part of it."""
    summary: dict[str, Any] = {}
    for each in fields(result):
        value = getattr(result, each.name)
        if each.name == OPEN:
            summary |= value
        elif each.name != "phase":
            summary[each.name] = value
    return summary


def from_summary(kind: type[AnyResult], phase: str, summary: Mapping[str, Any]) -> AnyResult:
    """The result of a phase that is done.

    Raises:
        StoreError: the summary lacks a field of the result, as that of another version may.
    """
    known = {each.name: each for each in fields(kind) if each.name not in ("phase", OPEN)}
    needed = [name for name, each in known.items() if each.default is each.default_factory is MISSING]
    missing = [name for name in needed if name not in summary]
    if missing:
        raise StoreError(
            f"phase {phase!r}: its stored summary lacks {', '.join(missing)}: another version of restmcts has"
            " made it; go on with that version, or start a new run"
        )
    values = {name: summary[name] for name in known if name in summary}
    if any(each.name == OPEN for each in fields(kind)):
        values[OPEN] = {name: value for name, value in summary.items() if name not in known}
    return kind(phase=phase, **values)
