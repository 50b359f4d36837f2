"""Everything but searches as JSON: one object a line, each with the version of its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from store.encoding.fields import (
    FLAG,
    INSIDE,
    NUMBER,
    NUMBERS,
    OPTIONAL_FLAG,
    OPTIONAL_NUMBER,
    OPTIONAL_NUMBERS,
    OPTIONAL_TEXT,
    OPTIONAL_WHOLE,
    PARENT,
    PLAIN,
    ROLE,
    TEXT,
    TEXTS,
    WHOLE,
    WHOLES,
    Forms,
    choice,
    dump,
)
from store.encoding.lines import with_checksum
from store.encoding.searches import STEPS, read_object
from store.errors import StoreError
from store.events import FORMAT
from store.records import (
    Checkpoint,
    Evaluation,
    Metric,
    Note,
    Outcomes,
    PolicySample,
    PreferenceSample,
    Sample,
    SampleKind,
    TraceJudgement,
    ValueSample,
)
from store.runs.overrides import Override

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TreeLabels:
    """The quality values of the nodes of a tree by one rule; item i is for node i."""

    tree: str
    values: tuple[float | None, ...]


_LABELS = Forms(TreeLabels, tree=TEXT, values=OPTIONAL_NUMBERS)
_POLICY_SAMPLE = Forms(
    PolicySample,
    problem=TEXT,
    prompt=TEXT,
    steps=STEPS,
    trees=TEXTS,
    value=OPTIONAL_NUMBER,
    kind=choice(*get_args(SampleKind)),
)
_VALUE_SAMPLE = Forms(
    ValueSample, problem=TEXT, question=TEXT, steps=STEPS, labels=OPTIONAL_NUMBERS, trees=TEXTS
)
_PREFERENCE_SAMPLE = Forms(
    PreferenceSample,
    problem=TEXT,
    prompt=TEXT,
    prefix=STEPS,
    chosen=STEPS,
    rejected=STEPS,
    trees=TEXTS,
    margin=OPTIONAL_NUMBER,
)
_JUDGEMENT = Forms(
    TraceJudgement,
    tree=TEXT,
    node=WHOLE,
    text=TEXT,
    points=OPTIONAL_NUMBER,
    unreadable=WHOLE,
    critic=WHOLE,
    prompt=WHOLE,
    calls=WHOLE,
    replies=TEXTS,
)
_CHECKPOINT = Forms(
    Checkpoint,
    iteration=WHOLE,
    kind=ROLE,
    path=INSIDE,
    parent=PARENT,
    carried=FLAG,
    metrics=PLAIN,
)
_METRIC = Forms(
    Metric,
    phase=TEXT,
    iteration=OPTIONAL_WHOLE,
    name=TEXT,
    value=NUMBER,
    step=OPTIONAL_WHOLE,
    fields=PLAIN,
)
_EVALUATION = Forms(
    Evaluation,
    phase=TEXT,
    iteration=OPTIONAL_WHOLE,
    method=TEXT,
    budget=OPTIONAL_WHOLE,
    traces=OPTIONAL_NUMBER,
    problems=WHOLE,
    correct=WHOLE,
    accuracy=NUMBER,
    low=NUMBER,
    high=NUMBER,
    policy_tokens=NUMBER,
    value_tokens=NUMBER,
    critic_tokens=OPTIONAL_NUMBER,
    prompt_tokens=OPTIONAL_NUMBER,
    calls=OPTIONAL_NUMBER,
    flops=OPTIONAL_NUMBER,
    searches=OPTIONAL_TEXT,
    rule=OPTIONAL_TEXT,
)

_OUTCOMES = Forms(
    Outcomes,
    phase=TEXT,
    method=TEXT,
    rule=TEXT,
    budget=OPTIONAL_WHOLE,
    problems=TEXTS,
    numbers=WHOLES,
    shares=OPTIONAL_NUMBERS,
    tokens=NUMBERS,
    trees_phase=OPTIONAL_TEXT,
)
_NOTE = Forms(Note, tree=TEXT, event=OPTIONAL_WHOLE, text=TEXT, time=TEXT)

_OVERRIDE = Forms(
    Override,
    number=WHOLE,
    time=TEXT,
    problem=TEXT,
    question=TEXT,
    answer=TEXT,
    correct=OPTIONAL_FLAG,
    reason=TEXT,
)


def encode_sample(sample: Sample) -> bytes:
    """A training sample as one line of JSON. Raises :class:`StoreError` like :func:`encode_search`."""
    if isinstance(sample, PolicySample):
        return _line("sample", {"for": "policy"}, _POLICY_SAMPLE, sample)
    if isinstance(sample, PreferenceSample):
        return _line("sample", {"for": "preference"}, _PREFERENCE_SAMPLE, sample)
    if len(sample.labels) != len(sample.steps):
        raise StoreError(
            f"a value sample of problem {sample.problem!r} cannot be stored: it has "
            f"{len(sample.steps)} steps but {len(sample.labels)} labels"
        )
    return _line("sample", {"for": "value"}, _VALUE_SAMPLE, sample)


def sample_from(row: Any, where: str) -> Sample:
    """The sample in the JSON object of a line, or :class:`StoreError`."""
    return read_object(row, where, "training sample", _sample)


def _sample(row: dict[str, Any]) -> Sample:
    kind = row.pop("for", None)
    if kind == "policy":
        return _POLICY_SAMPLE.read(row)
    if kind == "value":
        return _VALUE_SAMPLE.read(row)
    if kind == "preference":
        return _PREFERENCE_SAMPLE.read(row)
    raise ValueError("it is for neither a policy, a value model nor a training on preferences")


def encode_labels(tree: str, values: tuple[float | None, ...]) -> bytes:
    """The quality values of the nodes of ``tree`` as one line of JSON, or :class:`StoreError`."""
    return _line(f"row of labels of tree {tree!r}", {}, _LABELS, TreeLabels(tree, values))


def labels_from(row: Any, where: str) -> TreeLabels:
    """The tree and its quality values in the JSON object of a line, or :class:`StoreError`."""
    return read_object(row, where, "row of labels", _LABELS.read)


def encode_judgement(judgement: TraceJudgement) -> bytes:
    """A judgement as one line of JSON, or :class:`StoreError`."""
    return _line("judgement", {}, _JUDGEMENT, judgement)


def judgement_from(row: Any, where: str) -> TraceJudgement:
    """The judgement in the JSON object of a line, or :class:`StoreError`."""
    return read_object(row, where, "judgement", _JUDGEMENT.read)


def encode_checkpoint(checkpoint: Checkpoint, phase: str) -> bytes:
    """A checkpoint made by ``phase`` as one line of JSON, or :class:`StoreError`."""
    return _line("checkpoint", {"phase": phase}, _CHECKPOINT, checkpoint)


def checkpoint_from(row: Any, where: str, run: str) -> tuple[str, Checkpoint]:
    """The phase and the checkpoint in the JSON object of a line, or :class:`StoreError`."""

    def read(row: dict[str, Any]) -> tuple[str, Checkpoint]:
        phase = row.pop("phase", None)
        if type(phase) is not str:
            raise ValueError("it has no phase")
        return phase, _CHECKPOINT.read(row, run=run)

    return read_object(row, where, "checkpoint", read)


def encode_metric(metric: Metric) -> bytes:
    """A metric as one line of JSON, or :class:`StoreError`."""
    return _line("metric", {}, _METRIC, metric)


def metric_from(row: Any, where: str, run: str) -> Metric:
    """The metric in the JSON object of a line, or :class:`StoreError`."""
    return read_object(row, where, "metric", lambda row: _METRIC.read(row, run=run))


def encode_evaluation(evaluation: Evaluation) -> bytes:
    """An evaluation as one line of JSON, or :class:`StoreError`."""
    return _line("evaluation", {}, _EVALUATION, evaluation)


def evaluation_from(row: Any, where: str, run: str) -> Evaluation:
    """The evaluation in the JSON object of a line, or :class:`StoreError`."""
    return read_object(row, where, "evaluation", lambda row: _EVALUATION.read(row, run=run))


def encode_outcomes(outcomes: Outcomes) -> bytes:
    """What problems are worth as one line of JSON, or :class:`StoreError`."""
    return _line("row of outcomes", {}, _OUTCOMES, outcomes)


def outcomes_from(row: Any, where: str, run: str) -> Outcomes:
    """The outcomes in the JSON object of a line, or :class:`StoreError`."""

    def read(row: dict[str, Any]) -> Outcomes:
        found = _OUTCOMES.read(row, run=run)
        if len({len(column) for column in (found.problems, found.numbers, found.shares, found.tokens)}) > 1:
            raise ValueError("its lists are not equally long")
        return found

    return read_object(row, where, "row of outcomes", read)


def encode_note(note: Note) -> bytes:
    """A note as one line of JSON, or :class:`StoreError`."""
    return _line("note", {}, _NOTE, note)


def note_from(row: Any, where: str, run: str) -> Note:
    """The note in the JSON object of a line, or :class:`StoreError`."""
    return read_object(row, where, "note", lambda row: _NOTE.read(row, run=run))


def encode_override(override: Override) -> bytes:
    """A verdict of a person as one line of JSON, or :class:`StoreError`."""
    return _line("override", {}, _OVERRIDE, override)


def override_from(row: Any, where: str, number: int) -> Override:
    """The override with this number in the JSON object of a line, or :class:`StoreError`."""
    found = read_object(row, where, "override of a verdict", _OVERRIDE.read)
    if found.number != number:
        raise StoreError(
            f"{where}: it has number {found.number} at place {number}: lines are gone or doubled; restore the"
            " file from a copy"
        )
    return found


def _line(what: str, more: dict[str, Any], forms: Forms[T], value: T) -> bytes:
    try:
        return with_checksum(dump({"format": FORMAT, **more, **forms.write(value)}))
    except (ValueError, TypeError, RecursionError, StoreError) as error:
        raise StoreError(f"a {what} cannot be stored: {error}") from error
