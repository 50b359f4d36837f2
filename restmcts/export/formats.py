"""Samples as rows that other trainers read: the data set formats of TRL, and the store's own.

Beside the columns of a format, a row has columns that say where it comes from. Their names are none that a
trainer of TRL gives a meaning to: its RewardTrainer, for example, takes a column ``margin`` into its loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from restmcts.errors import InputError
from restmcts.export.trees import Trace
from store.encoding.fields import dump
from store.encoding.lines import parse_line
from store.encoding.rows import encode_sample
from store.events import Step
from store.records import PolicySample, PreferenceSample, Sample, ValueSample

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from: a run, an iteration, and the rule of labels, where it has some."""

    run: str
    iteration: int
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of rows.

    Attributes:
        kinds: the kinds of samples that it is for.
        rows: gives the rows of a sample; the text follows each problem, and may be empty. A sample that says
            nothing in the format has none.
    """

    kinds: tuple[str, ...]
    rows: Callable[[Any, str, Origin], list[Row]]


def messages(sample: PolicySample, instruction: str, origin: Origin) -> list[Row]:
    """A trace as a conversation: the problem is the user's turn, the steps are the assistant's."""
    turns = {"user": _asked(sample.prompt, instruction), "assistant": _text(sample.steps)}
    return [{"messages": [{"role": role, "content": content} for role, content in turns.items()]}]


def prompt_completion(sample: PolicySample, instruction: str, origin: Origin) -> list[Row]:
    """A trace as plain text: the problem and a newline, and the steps that follow it."""
    return [{"prompt": _prompt(sample.prompt, instruction), "completion": _text(sample.steps)}]


def preference(sample: PreferenceSample, instruction: str, origin: Origin) -> list[Row]:
    """A pair with its prompt: the problem and the steps that both continuations follow."""
    return [
        {
            "prompt": _prompt(sample.prompt, instruction) + _text(sample.prefix),
            "chosen": _text(sample.chosen),
            "rejected": _text(sample.rejected),
        }
    ]


def unpaired_preference(sample: PreferenceSample | Trace, instruction: str, origin: Origin) -> list[Row]:
    """A text that is wanted or not: a trace with its verdict, or both halves of a pair."""
    if isinstance(sample, Trace):
        prompt = _prompt(sample.prompt, instruction)
        return [{"prompt": prompt, "completion": sample.text, "label": sample.correct}]
    (pair,) = preference(sample, instruction, origin)
    return [
        {"prompt": pair["prompt"], "completion": pair["chosen"], "label": True},
        {"prompt": pair["prompt"], "completion": pair["rejected"], "label": False},
    ]


def stepwise(sample: ValueSample, instruction: str, origin: Origin) -> list[Row]:
    """A chain of steps with a verdict for each, and the quality values from which the verdicts follow.

    A step without a label is joined to the next one that has one; steps after the last label are left out.
    """
    completions, values = _labelled(sample)
    if not values:
        return []
    labels = good_steps(values, origin.rule)
    prompt = _prompt(sample.question, instruction)
    return [{"prompt": prompt, "completions": completions, "labels": labels, "values": values}]


def good_steps(values: list[float], rule: str) -> list[bool]:
    """Which steps are good ones.

    By the quality values of the paper, a step is good if it raises the value (w_k > 0, so that r_k = 0: a
    correct trace passes through it); v_0 is 0, and 1 cannot be raised. By other rules, if its value is .5 or
    more.
    """
    if rule != "rest-mcts":
        return [value >= 0.5 for value in values]
    before = [0.0, *values]
    return [value > last or value == 1.0 for last, value in zip(before, values, strict=False)]


def _labelled(sample: ValueSample) -> tuple[list[str], list[float]]:
    completions: list[str] = []
    values: list[float] = []
    waiting = ""
    for step, value in zip(sample.steps, sample.labels, strict=True):
        waiting += step.text
        if value is not None:
            completions.append(waiting)
            values.append(float(value))
            waiting = ""
    return completions, values


def _asked(problem: str, instruction: str) -> str:
    return f"{problem}\n\n{instruction}" if instruction else problem


def _prompt(problem: str, instruction: str) -> str:
    return _asked(problem, instruction) + "\n"


def _text(steps: tuple[Step, ...]) -> str:
    return "".join(step.text for step in steps)


FORMATS: Final[dict[str, Format]] = {
    "messages": Format(("policy",), messages),
    "prompt-completion": Format(("policy",), prompt_completion),
    "preference": Format(("preference",), preference),
    "unpaired-preference": Format(("preference", "traces"), unpaired_preference),
    "stepwise": Format(("value",), stepwise),
}
"""The formats that other trainers read, such as those of TRL."""

KINDS: Final = tuple(dict.fromkeys(kind for format in FORMATS.values() for kind in format.kinds))


def check_format(kind: str, format: str | None) -> None:
    """Refuse a format that does not exist, or that is not for this kind of samples.

    Raises:
        InputError: that is so.
    """
    if kind not in KINDS:
        raise InputError(f"--kind {kind!r}: choose {', '.join(KINDS)}")
    fitting = [name for name, known in FORMATS.items() if kind in known.kinds]
    if format is None and kind == "traces":
        raise InputError(f"--kind traces needs a --format: {', '.join(fitting)}")
    if format is not None and format not in fitting:
        raise InputError(f"--format {format!r}: choose {' or '.join(fitting)} for --kind {kind}")


def rows(
    sample: Sample | Trace, format: str | None, instruction: str, origin: Origin, *, provenance: bool = True
) -> list[Row]:
    """A sample as rows of a format; None: as a store has it, but without a checksum.

    Args:
        instruction: what follows the problem; "" for nothing.
        provenance: add the columns that say where a row comes from; the store's own form has them already.
    """
    if format is None:
        assert not isinstance(sample, Trace), "traces have no form of their own"
        return [parse_line(encode_sample(sample))]  # who edits it needs no checksum
    known = _provenance(sample, origin) if provenance else {}
    return [row | known for row in FORMATS[format].rows(sample, instruction, origin)]


def _provenance(sample: Sample | Trace, origin: Origin) -> Row:
    trees = [sample.tree] if isinstance(sample, Trace) else list(sample.trees)
    row: Row = {"run": origin.run, "iteration": origin.iteration, "problem": sample.problem, "trees": trees}
    if isinstance(sample, PolicySample | Trace):
        row["value"] = sample.value
    elif isinstance(sample, PreferenceSample):
        row["rated_margin"] = sample.margin
    return row


def line(row: Row) -> bytes:
    """A row as a line of JSON, with its newline."""
    return dump(row) + b"\n"


def parquet(rows: list[Row]) -> bytes:
    """Rows as a Parquet file.

    Raises:
        InputError: the rows hold what Parquet has no type for.
    """
    import orjson
    import pyarrow as pa
    from pyarrow import parquet as pq

    sink = pa.BufferOutputStream()
    try:
        # Through JSON, which has replaced what is no Unicode.
        pq.write_table(pa.Table.from_pylist([orjson.loads(line(row)) for row in rows]), sink)
    except pa.ArrowException as error:
        raise InputError(f"Parquet has no form for these rows ({error}): write JSON Lines") from None
    data: bytes = sink.getvalue().to_pybytes()
    return data
