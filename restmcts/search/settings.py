"""The settings that every search method has."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from restmcts.settings import Settings
from store.answering.constants import (
    DEFAULTS,
    AnswerConstants,
    Curve,
    Probabilities,
    StepValues,
    from_row,
    to_row,
)
from store.answering.rules import RULES, SURE


def _known(rule: str) -> str:
    if rule not in RULES:
        raise ValueError(f"unknown answer rule: choose from {', '.join(RULES)}")
    return rule


RuleName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*RULES]})]
"""The name of an answer rule (:data:`store.answering.rules.RULES`)."""


class Limits(Settings):
    """Hard limits of one search besides its budget of generated tokens.

    A request is made only if the most that it can take fits, so that no search takes more; a search whose
    next request does not fit ends. With one of the first three, requests of a search are made one at a time.
    """

    value: int | None = Field(default=None, ge=1, description="tokens that the value model reads for a tree")
    calls: int | None = Field(default=None, ge=1, description="requests to models for a tree")
    flops: float | None = Field(
        default=None,
        gt=0,
        description="estimated floating-point operations for a tree, see [Axes](algorithm.md#axes)",
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        description=(
            "wall time of a search, looked at between requests: the one limit that is not exact, and the one"
            " with which equal seeds do not give equal trees"
        ),
    )

    @property
    def given(self) -> dict[str, float]:
        """The limits that there are, by name."""
        return {name: limit for name, limit in self.model_dump().items() if limit is not None}


NO_LIMITS = Limits()


def _rising(curve: Curve | None) -> Curve | None:
    if curve and any(right[0] <= left[0] for left, right in pairwise(curve)):
        raise ValueError("the points of a curve come by rising x")
    return curve


Points = Annotated[Curve, AfterValidator(_rising)]
"""Points of a piecewise linear function, by rising x."""


class AnswerConstantsSettings(Settings):
    """The constants of answer rules; what is left out is the one beside the value model, else the default.

    :class:`store.answering.constants.AnswerConstants` says what they mean.
    """

    policy: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="exponent of the policy's probability of a step (alpha; 1)",
    )
    value: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="weight of the log-odds of the value of a step (beta; 0.5)",
    )
    bias: float | None = Field(
        default=None, allow_inf_nan=False, description="what a step has for being drawn (gamma; 0.75)"
    )
    step_values: StepValues | None = Field(
        default=None,
        description=(
            "the value of a step alone: the `score` of its partial solution, or its `ratio` to the one before"
            " (`ratio` where `models.value_aggregation` is `product`)"
        ),
    )
    probabilities: Probabilities | None = Field(
        default=None,
        description=(
            "the probability of a step among its siblings: that of the policy (`logprob`), the `share` of the"
            " samples, `mean-logprob` (by log-probability a token), or `auto` (`logprob` for steps of up to 8"
            " tokens, else `share`)"
        ),
    )
    vote: Points | None = Field(
        default=None, description="points of the weight of a vote by value, for `calibrated-vote`"
    )
    confidence: dict[str, Points] | None = Field(
        default=None, description="points of the probability of being right by confidence, for each rule"
    )

    def over(self, known: AnswerConstants) -> AnswerConstants:
        """``known`` with the constants that are given here."""
        return from_row(to_row(known) | self.model_dump(mode="json", exclude_none=True))


class Method(Settings):
    """The settings of every method."""

    answer_by: RuleName = Field(
        default="best-value",
        description="the answer rule, see [Answers](algorithm.md#answers)",
    )
    read_by: list[RuleName] = Field(
        default_factory=list,
        description=(
            "further answer rules that the same tree will be read by; the search asks for the values that"
            " they need. An evaluation sets it from its `answers`"
        ),
    )
    early_stop: bool = Field(
        default=True,
        description="end the search at a node that reaches the gate; the same rule for every method",
    )
    end_gate: float = Field(default=0.9, ge=0, description="the value from which a node reaches the gate")
    gate: Literal["finished", "value"] = Field(
        default="finished",
        description=(
            "`finished`: only a finished node can reach the gate; `value`: the value alone counts, as in the"
            " authors' code"
        ),
    )

    constants: AnswerConstantsSettings | None = Field(
        default=None,
        description=(
            "constants of the answer rules, see [Constants](#constants); what is left out is read beside the"
            " value model, where they were fitted, and has its default otherwise"
        ),
    )

    confidence_gate: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description=(
            "end the search when it is as sure of its answer as this, for the answer rules"
            f" {' and '.join(f'`{rule}`' for rule in SURE)}; none: never. `restmcts eval --budget-shared`"
            " chooses it on validation problems"
        ),
    )

    @model_validator(mode="after")
    def _is_sure_of_something(self) -> Self:
        if self.confidence_gate is not None and self.answer_by not in SURE:
            raise ValueError(
                f"confidence_gate: {self.answer_by!r} does not say how sure it is; answer_by can be"
                f" {' or '.join(SURE)}"
            )
        return self

    def answer_constants(self, known: AnswerConstants = DEFAULTS) -> AnswerConstants:
        """The constants of the answer rules; ``known`` are those for what is left out."""
        return known if self.constants is None else self.constants.over(known)

    def with_constants(self, constants: AnswerConstants) -> Method:
        """The same settings with all constants of the answer rules."""
        row = AnswerConstantsSettings.model_validate(to_row(constants))
        return self.model_copy(update={"constants": row})

    @property
    def uses_constants(self) -> bool:
        """Whether the search or its answers depend on the constants of the answer rules."""
        fitted = any(RULES[rule].fitted for rule in (self.answer_by, *self.read_by))
        return fitted or self.confidence_gate is not None

    @property
    def endless(self) -> bool:
        """Whether only a token budget can end the search."""
        return False

    def most_tokens(self, trace: int) -> int | None:
        """The most tokens that the policy can generate in a search, where the settings limit them.

        Args:
            trace: the longest trace, in tokens.
        """
        return None


class GreedyFirst(Method):
    """The settings of methods that may begin with a greedy trace."""

    greedy_first: bool = Field(
        default=False,
        description="the first trace is sampled at temperature 0; it joins the tree like any other",
    )
