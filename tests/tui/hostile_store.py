"""A store in which every text that models, data sets and recipes may bring wants to break the screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from store.events import Critiqued, Event, Expanded, RolledOut, Selected, Step, Stopped, Verified
from store.records import Checkpoint, Evaluation, Metric, PolicySample
from store.runs.notes import add_note
from store.runs.writer import RunWriter
from tests.tui.made_searches import custom
from tests.tui.page_texts import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

    from store.events import SearchRecord

RUN, OTHER, PHASE = "evil", "plain", "1.search"
MANY_SETTINGS = 500
NUMBERS = {kind: 2 * place for place, kind in enumerate(HOSTILE)}
"""The search of each kind that is right; the one after it is of another method, and wrong."""


def second(text: str) -> str:
    """The name of the other method of a kind."""
    return f"{text[:1000]}2"


def write_hostile_store(root: Path) -> None:
    """A run with two searches of each kind, and with hostile texts wherever else a run has texts; and one
    with the same searches and no settings."""
    for run, settings in ((RUN, _settings()), (OTHER, "")):
        config = f'recipe = "tiny"\n{settings}'
        with RunWriter.create_or_open(root, run, config=config, environment={}) as writer:
            writer.start_phase(PHASE, "search", 1)
            for kind, text in HOSTILE.items():
                writer.add_tree(_right(NUMBERS[kind], text))
                writer.add_tree(_wrong(NUMBERS[kind] + 1, text))
            _write_rows(writer, run)
            writer.finish_phase(PHASE, {text[:200]: text for text in HOSTILE.values()})
            writer.finish_run()
            if run == RUN:
                for kind, text in HOSTILE.items():
                    if text.strip():
                        add_note(writer.layout, f"{PHASE}/{NUMBERS[kind]}", text[:9000], event=2)


def _settings() -> str:
    """Hostile names and values, and very many of them, as TOML."""
    texts = [text[:2000] for text in HOSTILE.values()]
    rows = [f"{_quoted(text[:100])} = {_quoted(text)}" for text in dict.fromkeys(texts)]
    return "\n".join(["[search]", *rows, *(f"setting-{number} = 1" for number in range(MANY_SETTINGS))])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _right(number: int, text: str) -> SearchRecord:
    events: tuple[Event, ...] = (
        Selected(0),
        Expanded(0, (Step(text, (1,), -1.0), Step(f"{text[:1000]} again", (2,), -1.0)), (1, 1)),
        Critiqued(1, True, text, text),
        RolledOut(2, (Step(text),), (0.5,), 0.5, 0.5, 1),
        Verified((1,), (True,)),
        Stopped("failed", 1, text, text),
    )
    names = dict.fromkeys(("policy", "value", "method"), text)
    return custom(number, *events, **names, **_asked(text), answer_by="best-value", settings={text: text})


def _wrong(number: int, text: str) -> SearchRecord:
    events: tuple[Event, ...] = (
        Expanded(0, (Step(f"{text[:1000]} wrong"),), (1,)),
        Critiqued(1, True, f"{text[:1000]} wrong"),
        Verified((1,), (False,)),
        Stopped("rounds", 1, f"{text[:1000]} wrong"),
    )
    return custom(number, *events, method=second(text), **_asked(text), answer_by=text)


def _asked(text: str) -> dict[str, str]:
    return dict.fromkeys(("problem", "question", "oracle"), text)


def _write_rows(writer: RunWriter, run: str) -> None:
    figures = {"squared_error": 0.1, "auc": 0.9, "auc.depth_1": 0.9}
    for text in HOSTILE.values():
        writer.add_metric(Metric(run, PHASE, 1, text, 0.5))
        row = Evaluation("", PHASE, 1, text, 9, 1.0, 2, 1, 0.5, 0.1, 0.9, 9.0, 0.0, rule="best-value")
        writer.add_evaluation(row)
        figures[text] = 1.0
    writer.layout.checkpoint(1, "value").mkdir(parents=True)
    writer.add_checkpoint(Checkpoint(run, 1, "value", "checkpoints/1/value", None, True, figures))
    samples = [
        PolicySample(text, text, (Step(text),), (f"{PHASE}/{NUMBERS[kind]}",), 1.0, "trace")
        for kind, text in HOSTILE.items()
    ]
    writer.write_samples("1.label", samples)
