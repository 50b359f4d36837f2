"""Rules that infer step labels from a verified tree; each one is a pure function of the tree."""

from restmcts.labels.estimation import any_correct, correct_share
from restmcts.labels.first_error import first_error
from restmcts.labels.math_shepherd import math_shepherd
from restmcts.labels.outcome import outcome
from restmcts.labels.rare_answers import without_rare_answers
from restmcts.labels.registry import LABEL_RULES, LabelRule, Labels, label_rule
from restmcts.labels.relative_progress import relative_progress
from restmcts.labels.rest_mcts import rest_mcts

__all__ = [
    "LABEL_RULES",
    "LabelRule",
    "Labels",
    "any_correct",
    "correct_share",
    "first_error",
    "label_rule",
    "math_shepherd",
    "outcome",
    "relative_progress",
    "rest_mcts",
    "without_rare_answers",
]
