"""The search methods by name.

A method is one file, here or in another distribution: settings, a generator and a :class:`SearchMethod`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from restmcts.errors import InputError
from restmcts.registry import Registry
from restmcts.search.settings import Method
from restmcts.settings import checked
from store.events import Header


@dataclass(frozen=True, slots=True)
class SearchMethod:
    """A search method.

    Attributes:
        settings: the class of its settings.
        run: the generator ``(recorder, settings, random) -> Moves``, which yields requests
            (:mod:`restmcts.search.requests`) and returns an :class:`~restmcts.search.moves.Outcome`.
        summary: what the method does, in one line.
        answers: the answer rules (:data:`store.answering.rules.RULES`) that `restmcts eval` reads from its
            trees; empty: the ``answer_by`` of its settings.
        values: whether a search asks for values, so that it needs a value model; a function of the settings
            where they decide it.
        generation: the settings of ``[generation]`` where a recipe writes none.
        evaluation: the settings by which a search uses a token budget up; `restmcts eval` starts from them.
        one_trace: the method samples one trace and ends; an evaluation gives it no budget.
        exchangeable: from which of its traces on (counted from 0) their order means nothing, as they are
            whole traces that were sampled independently from the root. An evaluation then averages over
            orders of them (:mod:`restmcts.evaluation.reading.subsets`). 1: a trace of another kind always
            comes first; None: what is sampled depends on what came before. A function of the settings where
            they decide it.
        row_names: what an evaluation calls the method with an answer rule, by rule. A rule without a name is
            written after the name of the method, unless it is the ``answer_by`` of the settings.
    """

    settings: type[Method]
    run: Callable[..., Any]
    summary: str
    answers: tuple[str, ...] = ()
    values: bool | Callable[[Any], bool] = True
    generation: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=lambda: {"early_stop": False})
    one_trace: bool = False
    exchangeable: int | Callable[[Any], int | None] | None = None
    row_names: Mapping[str, str] = field(default_factory=dict)


METHODS = Registry(
    "search method",
    "restmcts.search_methods",
    SearchMethod,
    {
        "greedy": "restmcts.search.methods.sampling:GREEDY",
        "self-consistency": "restmcts.search.methods.sampling:SELF_CONSISTENCY",
        "best-of-n": "restmcts.search.methods.sampling:BEST_OF_N",
        "step-completions": "restmcts.search.methods.step_completions:STEP_COMPLETIONS",
        "tot-bfs": "restmcts.search.methods.tree_of_thought:TOT_BFS",
        "tot-dfs": "restmcts.search.methods.tree_of_thought:TOT_DFS",
        "beam": "restmcts.search.methods.beam:BEAM",
        "dvts": "restmcts.search.methods.dvts:DVTS",
        "rebase": "restmcts.search.methods.rebase:REBASE",
        "mcts": "restmcts.search.methods.mcts:MCTS",
        "mcts-improved": "restmcts.search.methods.mcts_improved:MCTS_IMPROVED",
        "posterior-search": "restmcts.search.methods.posterior_search:POSTERIOR_SEARCH",
    },
)


def method_settings(method: str, values: Mapping[str, Any], where: str) -> Method:
    """The checked settings of ``method``.

    Raises:
        InputError: an unknown method, an unknown key (the nearest one is named) or a wrong value.
    """
    return checked(METHODS.get(method, where).settings, values, where)


def needs_value(method: str, settings: Method) -> bool:
    """Whether a search by ``method`` asks for values, so that it needs a value model."""
    values = METHODS[method].values
    return values(settings) if callable(values) else values


def exchangeable_from(method: str, settings: Method) -> int | None:
    """From which trace on the order of the traces of a search means nothing; None: it means something."""
    exchangeable = METHODS[method].exchangeable
    return exchangeable(settings) if callable(exchangeable) else exchangeable


def stored_settings(header: Header) -> Method | None:
    """The settings of the method of a stored search; None where the method or one of them is not known."""
    if header.method not in METHODS:
        return None
    fields = METHODS[header.method].settings.model_fields
    values = {name: value for name, value in header.settings.items() if name in fields}
    try:
        return method_settings(header.method, values, header.id)
    except InputError:
        return None


def row_name(method: str, rule: str) -> str:
    """How an evaluation calls a method with an answer rule."""
    registered = METHODS[method]
    own_rule = registered.settings().answer_by
    return registered.row_names.get(rule, method if rule == own_rule else f"{method}, {rule}")
