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


class Method(Settings):
    """What every method has.

    Attributes:
        answer_by: how the tree is turned into an answer (:mod:`store.answers`).
        read_by: further rules that the same tree will be answered by; what they read is valued too.
        early_stop: end the search at a node that reaches the gate; the same rule for every method.
        end_gate: the value from which a node reaches the gate, 0 to 1.
        gate: ``finished``: only a finished node can reach it; ``value``: the value alone counts, as in
            the authors' code.
    """

    answer_by: RuleName = "best-value"
    read_by: list[RuleName] = Field(default_factory=list)
    early_stop: bool = True
    end_gate: float = Field(default=0.9, ge=0)
    gate: Literal["finished", "value"] = "finished"

    @property
    def endless(self) -> bool:
        """Whether only a token budget can end the search."""
        return False
