"""The label rules by name; each one infers step labels from a verified tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from restmcts.registry import Registry
from restmcts.settings import Settings, checked
from store.tree import Tree

Labels = tuple[float | None, ...]
"""A label in [0, 1] for each node of a tree, by number; None where nothing can be said."""


@dataclass(frozen=True, slots=True)
class LabelRule:
    """A rule that infers step labels.

    Attributes:
        run: the pure function from a verified tree to its labels. A rule with settings gets them as the
            argument ``settings``.
        summary: what the rule says about a step, in one line.
        settings: the keys of ``labels.settings``; None for a rule without settings.
        needs: what is missing where the rule labels no step at all, as a sentence.
    """

    run: Callable[..., Labels]
    summary: str
    settings: type[Settings] | None = None
    needs: str = "no tree has a correct answer; search longer, with a better policy, or on easier problems"


LABEL_RULES = Registry(
    "label rule",
    "restmcts.label_rules",
    LabelRule,
    {
        "rest-mcts": "restmcts.labels.rest_mcts:REST_MCTS",
        "correct-share": "restmcts.labels.estimation:CORRECT_SHARE",
        "any-correct": "restmcts.labels.estimation:ANY_CORRECT",
        "first-error": "restmcts.labels.first_error:FIRST_ERROR",
        "outcome": "restmcts.labels.outcome:OUTCOME",
        "math-shepherd": "restmcts.labels.math_shepherd:MATH_SHEPHERD",
        "relative-progress": "restmcts.labels.relative_progress:RELATIVE_PROGRESS",
    },
)


def rule_settings(name: str, values: Mapping[str, Any], where: str) -> Settings | None:
    """The checked settings of a rule; None for a rule without settings.

    Raises:
        InputError: an unknown rule, an unknown key or a wrong value.
    """
    settings = LABEL_RULES.get(name, where).settings
    if settings is None:
        # A rule without settings knows no key, so that the message about a key is the usual one.
        checked(Settings, values, where)
        return None
    return checked(settings, values, where)


def label_rule(name: str, values: Mapping[str, Any] | None = None) -> Callable[[Tree], Labels]:
    """The rule as a function of a tree alone, with its settings bound to it.

    Raises:
        InputError: an unknown rule, an unknown key or a wrong value.
    """
    settings = rule_settings(name, values or {}, f"label rule {name!r}")
    run = LABEL_RULES[name].run
    return run if settings is None else partial(run, settings=settings)
