"""The settings that every search method has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from restmcts.settings import Settings
from store.answers import RULES


def _known(rule: str) -> str:
    if rule not in RULES:
        raise ValueError(f"unknown answer rule: choose from {', '.join(RULES)}")
    return rule


RuleName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*RULES]})]
"""The name of an answer rule (:data:`store.answers.RULES`)."""


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
