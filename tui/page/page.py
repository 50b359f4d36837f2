"""The replay of a search as one HTML page: no network, and nothing that a model wrote is obeyed."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from store.errors import StoreError
from store.events import Stopped
from tui.page.moments import Moments
from tui.page.texts import Texts, short
from tui.replay.event_text import describe
from tui.replay.truth import truth_of
from tui.text import label, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.events import Header, SearchRecord
    from store.index.reader import StoreReader
    from store.tree import Tree

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

RIGHT_WAY, LEFT_IT = 1, 2
"""A node from which a right solution was found; the first one beside these that led to wrong ones only."""


def file_name(run: str, tree: str) -> str:
    """The name that the page of a tree has by default."""
    return _NOT_IN_NAMES.sub("_", f"{run}-{tree.replace('/', '-')}").lstrip(".-")[:150] + ".html"


def read_replay_page(reader: StoreReader, run: str, tree: str) -> str:
    """The page of ``tree``, named ``<phase>/<number>``, in ``run``.

    Raises:
        InputError: there is no such search.
        StoreError: it cannot be read, or see :func:`replay_page`.
    """
    return replay_page(run, reader.record(run, tree), reader.labels(run, tree))


def replay_page(run: str, record: SearchRecord, labels: Mapping[str, tuple[float | None, ...]]) -> str:
    """The page that replays ``record`` of ``run``.

    The page runs the one script that its Content-Security-Policy names by hash, makes no request, and writes
    texts only as texts. Its reasons are computed here; the script only draws.

    Args:
        run: the name of the run.
        record: the search, with the verdicts that are in force.
        labels: the quality values of its nodes, by rule.

    Raises:
        StoreError: an event does not fit the tree, or the constants of the answer rules are damaged.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script, style, template = (
        files(__package__).joinpath(name).read_text("utf-8")
        for name in ("replay.js", "replay.css", "replay.html")
    )
    return environment.from_string(template).render(
        head=_head(run, record),
        data=page_data(record, labels),
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


def page_data(record: SearchRecord, labels: Mapping[str, tuple[float | None, ...]]) -> dict[str, Any]:
    """What the script draws: texts by number, nodes, events with their reasons, labels.

    Raises:
        StoreError: see :func:`replay_page`.
    """
    texts = Texts()
    try:
        moments = Moments(record, texts)
    except ValueError as error:
        raise StoreError(f"tree {record.header.id}: an event does not fit: {error}") from error
    tree = moments.tree
    return {
        "nodes": _nodes(tree, texts),
        "events": moments.events,
        "labels": {
            label(rule, 40): [None if value is None else short(value) for value in values[: len(tree.nodes)]]
            for rule, values in sorted(labels.items())
        },
        "terms": moments.choices.terms,
        "rule": label(record.header.answer_by, 40),
        "budget": record.header.budget,
        "answersEvery": moments.answers_every,
        "texts": texts.all,
    }


def _nodes(tree: Tree, texts: Texts) -> list[list[Any]]:
    """For each node: its parent, text, tokens, log-probability, whether the text ended there, and its way."""
    truth = truth_of(tree)
    ways = [
        RIGHT_WAY if node.id in truth.right else LEFT_IT if node.id in truth.mistakes else 0
        for node in tree.nodes
    ]
    rows: list[list[Any]] = [[None, None, 0, None, 0, ways[0]]]
    for node in tree.nodes[1:]:
        assert node.step is not None
        step = node.step
        logprob = None if step.logprob is None else short(step.logprob)
        rows.append(
            [node.parent, texts.number(step.text), len(step.tokens), logprob, int(step.ended), ways[node.id]]
        )
    return rows


def _head(run: str, record: SearchRecord) -> dict[str, Any]:
    """What stands above the replay, as texts that a page may show."""
    header, result = record.header, record.result
    stopped = next((event for event in reversed(record.events) if isinstance(event, Stopped)), None)
    return {
        "name": label(f"{run}/{header.id}", 200),
        "method": label(header.method, 60),
        "problem": label(header.problem, 120),
        "question": safe_text(header.question.strip()),
        "answer": "none" if result.answer is None else label(result.answer, 200),
        "correct": result.correct,
        "oracle": None if header.oracle is None else label(header.oracle, 200),
        "ended": "" if stopped is None else describe(stopped, range(0)),
        "tokens": result.cost.generated,
        "budget": header.budget,
        "settings": _settings(header),
    }


def _settings(header: Header) -> list[tuple[str, str]]:
    facts: dict[str, object] = {"answer rule": header.answer_by, "seed": header.seed, "policy": header.policy}
    facts |= {"value model": header.value, **header.settings}
    return [(label(name, 40), label(str(value), 300)) for name, value in facts.items()]


def _hash(text: str) -> str:
    """The source expression by which a Content-Security-Policy allows an inline script or style."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
