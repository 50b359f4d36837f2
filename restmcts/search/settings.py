"""The settings that every search method has."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from restmcts.evaluation.confidence import VOTES, has_confidence
from restmcts.settings import Settings
from store.answers import RULES


def _known(rule: str) -> str:
    if rule not in RULES:
        raise ValueError(f"unknown answer rule: choose from {', '.join(RULES)}")
    return rule


RuleName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*RULES]})]
"""The name of an answer rule (:data:`store.answers.RULES`)."""


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

    confidence_gate: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description=(
            "end the search when it is as sure of its answer as this, for the answer rules"
            f" {' and '.join(f'`{rule}`' for rule in VOTES)}; none: never. `restmcts eval --budget-shared`"
            " chooses it on validation problems"
        ),
    )

    @model_validator(mode="after")
    def _is_sure_of_something(self) -> Self:
        if self.confidence_gate is not None and not has_confidence(self.answer_by):
            raise ValueError(
                f"confidence_gate: {self.answer_by!r} does not say how sure it is; answer_by can be"
                f" {' or '.join(VOTES)}"
            )
        return self

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
