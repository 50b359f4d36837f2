"""Rules that infer step labels from a verified tree; each one is a pure function of the tree."""

from __future__ import annotations

from collections.abc import Callable

from restmcts.labels.estimation import any_correct, correct_share
from restmcts.labels.first_error import first_error
from restmcts.labels.rare_answers import without_rare_answers
from restmcts.labels.rest_mcts import Labels, rest_mcts
from store.tree import Tree

LABEL_RULES: dict[str, Callable[[Tree], Labels]] = {
    "rest-mcts": rest_mcts,
    "correct-share": correct_share,
    "any-correct": any_correct,
    "first-error": first_error,
}
"""The rules by name."""

__all__ = [
    "LABEL_RULES",
    "Labels",
    "any_correct",
    "correct_share",
    "first_error",
    "rest_mcts",
    "without_rare_answers",
]
