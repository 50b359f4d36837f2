"""The settings of every search method."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from restmcts.settings import Settings

AnswerRule = Literal[
    "first", "best-value", "best-last", "best-minimum", "best-product", "majority", "value-vote"
]


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

    answer_by: AnswerRule = "best-value"
    read_by: list[AnswerRule] = Field(default_factory=list)
    early_stop: bool = True
    end_gate: float = Field(default=0.9, ge=0)
    gate: Literal["finished", "value"] = "finished"

    @property
    def endless(self) -> bool:
        """Whether only a token budget can end the search."""
        return False


class Greedy(Method):
    """One trace at temperature 0."""

    answer_by: AnswerRule = "first"


class Traces(Method):
    """Independent whole traces: Self-Consistency and Best-of-N.

    ``samples`` is the number of traces; 0 goes on until the token budget is spent.
    """

    samples: int = Field(default=0, ge=0)

    @property
    def endless(self) -> bool:
        return self.samples == 0


class SelfConsistency(Traces):
    """The answer that most traces give; ``answer_by: value-vote`` weights them by the value model."""

    answer_by: AnswerRule = "majority"


class BestOfN(Traces):
    """The trace that the value model ranks first, by its last, worst or multiplied step values."""

    answer_by: AnswerRule = "best-last"


class TreeOfThought(Method):
    """Tree-of-Thought, breadth first or depth first (paper, Section 4.1: branch 3, keep 2, depth 8).

    ``repeat`` starts again from the root with fresh samples while the token budget lasts.
    """

    branch: int = Field(default=3, ge=1)
    keep: int = Field(default=2, ge=1)
    depth: int = Field(default=8, ge=1)
    attempts: int = Field(default=3, ge=1)
    repeat: bool = True

    @property
    def endless(self) -> bool:
        return self.repeat


class Mcts(Method):
    """MCTS* as in the authors' code; the defaults are its evaluation settings.

    Attributes:
        branch: next steps sampled at an expansion (b).
        parallel_rounds: the most rounds that run at the same time, from different leaves. More than one
            keeps an engine busy with few searches. Not in the authors' code.
        rounds: most rounds of select, expand, rollout and backup; 0 goes on until the token budget is
            spent or nothing new comes.
        rollout_branch: samples a rollout step.
        rollout_steps: most steps of a rollout (m); it ends at the end of the solution.
        exploration: weight of the exploration term (c).
        unvisited_bonus: what an unvisited child scores above its value.
        alpha: share of the rollout's best value in the child's new value.
        attempts: how often an empty proposal is asked for again.
        early_stop: False to sample training data: a node at the gate is marked finished, the search
            goes on.
        keep_rollouts: the steps of a rollout join the tree, so an answer that it reaches counts. Not in
            the authors' code.
        close_finished: a finished node, or one with exhausted children only, is not selected again. Not in
            the authors' code.
    """

    branch: int = Field(default=3, ge=1)
    parallel_rounds: int = Field(default=1, ge=1)
    rounds: int = Field(default=50, ge=0)
    rollout_branch: int = Field(default=1, ge=1)
    rollout_steps: int = Field(default=2, ge=0)
    exploration: float = Field(default=0.4, ge=0)
    unvisited_bonus: float = Field(default=0.8, ge=0)
    alpha: float = Field(default=0.5, ge=0, le=1)
    attempts: int = Field(default=3, ge=1)
    keep_rollouts: bool = False
    close_finished: bool = False

    @property
    def endless(self) -> bool:
        return self.rounds == 0


class ImprovedMcts(Method):
    """MCTS* made to pay off at small budgets: every token sampled stays in the tree.

    A round selects a node, walks from there to a finished solution one valued step at a time, and backs
    the value of that solution up.

    Attributes:
        parallel_rounds: the most rounds that run at the same time. More than one keeps an engine busy with
            few searches.
        rounds: most rounds; 0 goes on until the token budget is spent.
        exploration: weight of the exploration term (c).
        unvisited_bonus: what an unvisited child scores above its value.
        accept: a step is accepted when its value is at least this share of its parent's score.
        redraws: how often a step that is not accepted is drawn again; then the best one is followed.
        widening: a node with N visits may have ``widening·sqrt(N)`` children (progressive widening), so
            that a wrong step can be repaired, the first one too.
        attempts: how often an empty proposal is asked for again.
        depth: most steps of a solution.
    """

    answer_by: AnswerRule = "value-vote"
    parallel_rounds: int = Field(default=1, ge=1)
    rounds: int = Field(default=0, ge=0)
    exploration: float = Field(default=0.1, ge=0)
    unvisited_bonus: float = Field(default=0.0, ge=0)
    accept: float = Field(default=0.5, ge=0)
    redraws: int = Field(default=5, ge=0)
    widening: float = Field(default=1.0, gt=0)
    attempts: int = Field(default=3, ge=1)
    depth: int = Field(default=64, ge=1)

    @property
    def endless(self) -> bool:
        return self.rounds == 0
