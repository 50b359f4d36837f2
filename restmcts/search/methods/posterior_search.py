"""Posterior search: draw the next step where it most likely changes the answer.

Policy and value model together say for each node how likely the right next step is each of its children, and
how likely it was not drawn yet (:mod:`store.answering.posterior`). What one more step is worth at each node
follows.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from random import Random
from statistics import fmean
from typing import Literal

from pydantic import Field

from restmcts.search.moves import Moves, Outcome, declare_finished, grow_each
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import AskBudget, BudgetLeft, Prefix, Propose, ProposeEach
from restmcts.search.settings import Method, RuleName
from store.answering.gains import FIRST_HIT, best_gain, own_gain
from store.answering.posterior import (
    NO_CHILDREN,
    Shares,
    probability_source,
    products,
    shares,
    step_length,
    step_value,
)
from store.answering.rules import RULES, Answer, vote_by_chances
from store.events import Selected, Step
from store.tree import Node

WIDE_LEFT, NARROW_LEFT = 0.3, 0.05
"""More than these shares of the policy are left: the bounds between the sampling temperatures."""


class PosteriorSearch(Method):
    """Posterior search: one step at a time, where it most likely changes the answer.

    ``early_stop`` ends the search when the confidence of its answer by ``answer_by`` reaches ``end_gate``,
    whatever ``gate`` says; a rule without a confidence never ends it.
    """

    answer_by: RuleName = "posterior-vote"
    steps: int = Field(default=0, ge=0, description="most steps to draw; 0: until the token budget is spent")
    draws: int = Field(
        default=1,
        ge=1,
        description=(
            "steps that are drawn at the same time after the first solution, each at another node; more than"
            " one keeps an engine busy with few searches"
        ),
    )
    temperatures: tuple[float, float, float] = Field(
        default=(0.8, 1.3, 2.0),
        description=(
            "sampling temperatures at a node that has children, while more than 0.3, more than 0.05 or less"
            " of the policy's probability was not drawn there; the first one where the probabilities of steps"
            " are shares of samples. The first step of a node has temperature 0"
        ),
    )
    doubt: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description=(
            "before the first solution, a step with a value of its own below this one is not followed if the"
            " tokens left pay for a whole solution and a step"
        ),
    )
    trace: int = Field(
        default=0,
        ge=0,
        description=(
            "tokens of a whole solution, for `doubt`; 0: the longest that sampling allows. At a budget of so"
            " many tokens or less the search is greedy decoding"
        ),
    )
    merge: Literal["text", "words"] = Field(
        default="text",
        description=(
            "steps that are one child: those of equal text, or those equal up to case, white space and"
            " punctuation (`words`)"
        ),
    )
    attempts: int = Field(
        default=3, ge=1, description="how often an empty sample is drawn again before the node is given up"
    )
    depth: int = Field(default=64, ge=1, description="most steps of a solution")

    @property
    def uses_constants(self) -> bool:
        return True

    @property
    def endless(self) -> bool:
        return self.steps == 0


def posterior_search(recorder: Recorder, settings: PosteriorSearch, random: Random) -> Moves:
    """Draw steps one by one, each where the posterior says that it most likely changes the answer.

    Args:
        recorder: an empty search.
        settings: the settings of the method.
        random: not used; ties go to the child that joined first.

    Returns:
        An :class:`~restmcts.search.moves.Outcome`.
    """
    search = Search(recorder, settings)
    followed: Node | None = recorder.tree.root
    left = settings.steps or sys.maxsize
    while left > 0:
        most = min(left, settings.draws) if search.solutions else 1
        nodes = search.select(most) if followed is None else [followed]
        if not nodes:
            return Outcome("exhausted")
        left -= len(nodes)
        children: list[Node] = yield from draw(search, nodes)
        followed = None
        if children and not search.solutions:
            followed = yield from follow(search, children[0])
        stop = search.at_gate() if settings.early_stop else None
        if stop is not None:
            return Outcome("gate", stop)
    return Outcome("rounds")


def draw(search: Search, nodes: list[Node]) -> Moves:
    """Draw a step at each of ``nodes`` at the same time, and learn from what comes.

    Returns:
        The children that came, new or already there.
    """
    recorder, settings = search.recorder, search.settings
    for place, node in enumerate(nodes):
        recorder.emit(Selected(node.id, tuple(earlier.id for earlier in nodes[:place])))
    proposals = [Propose(Prefix(node.id), 1, node.advice, search.temperature(node)) for node in nodes]
    replies: list[list[Step | None]] = yield ProposeEach(tuple(proposals))
    drawn = [(node, reply[0]) for node, reply in zip(nodes, replies, strict=False) if reply]
    steps = [(node, [search.known(node, step)]) for node, step in drawn if step is not None]
    children: list[Node] = yield from grow_each(recorder, steps)
    for node, step in drawn:
        search.misses[node.id] = 0 if step is not None else search.misses[node.id] + 1
        if search.misses[node.id] == settings.attempts and not node.children:
            yield from declare_finished(recorder, node)
            children.append(node)
    search.learn(nodes, children)
    return children


def follow(search: Search, child: Node) -> Moves:
    """Before the first solution: the child, where the next step is drawn below it.

    None where it is doubtful, and the tokens left pay for a whole solution and a step; and where a solution
    may have no further step.
    """
    if child.depth >= search.settings.depth:
        return None
    own = step_value(search.recorder.tree, child, search.constants)
    if own is None or own >= search.settings.doubt:
        return child
    budget: BudgetLeft = yield AskBudget()
    solution = search.settings.trace or budget.trace
    search.expected_depth = solution / search.step_tokens(child)
    pays = budget.tokens is None or budget.tokens >= solution + search.step_tokens(child)
    return None if pays else child


class Search:
    """What a posterior search knows about its tree.

    Attributes:
        solutions: how many finished solutions there are.
        expected_depth: the mean number of steps of a solution, as far as it is known.
        misses: the empty samples in a row at each node.
        pending: the nodes where a step is being drawn.
        shares: by node, how it divides among its children and the steps that were not drawn.
        own: by node, the chance that one more step drawn there changes the answer for the better.
        gain: by node, the best such chance there or below, if the partial solution is right.
    """

    def __init__(self, recorder: Recorder, settings: PosteriorSearch) -> None:
        self.recorder = recorder
        self.settings = settings
        self.constants = settings.answer_constants()
        self.solutions = 0
        self.expected_depth = 0.0
        self.misses: Counter[int] = Counter()
        self.pending: list[int] = []
        self.shares: dict[int, Shares] = {0: NO_CHILDREN}
        self.own: dict[int, float] = {0: FIRST_HIT}
        self.gain: dict[int, float] = {0: FIRST_HIT}
        self._counted: set[int] = set()
        self._words: dict[tuple[int, str], Step] = {}

    def select(self, most: int) -> list[Node]:
        """Up to ``most`` different nodes, the most promising first; none where nothing new can come.

        A node where a step is being drawn already gains nothing from another one.
        """
        tree = self.recorder.tree
        while len(self.pending) < most and self.gain[0] > 0:
            node = tree.root
            while self.gain[node.id] > self.own[node.id]:
                node = self._best_child(node)
            self.pending.append(node.id)
            self._weigh(node)
        return [tree.nodes[number] for number in self.pending]

    def _best_child(self, node: Node) -> Node:
        pairs = zip(node.children, self.shares[node.id].children, strict=True)
        best, _ = max(pairs, key=lambda pair: pair[1] * self.gain[pair[0]])
        return self.recorder.tree.nodes[best]

    def temperature(self, node: Node) -> float:
        """At which the next step of ``node`` is sampled: the higher, the less of the policy is left."""
        first, middle, last = self.settings.temperatures
        if not node.children:
            return first if self.misses[node.id] else 0.0
        children = self.recorder.tree.children(node.id)
        if probability_source(children, self.constants) != "logprob":
            return first  # what samples leave says how many there were
        left = self.shares[node.id].left
        return first if left > WIDE_LEFT else middle if left > NARROW_LEFT else last

    def known(self, node: Node, step: Step) -> Step:
        """The step of a child that says the same as ``step``; ``step`` itself where there is none."""
        if self.settings.merge == "text":
            return step
        return self._words.setdefault((node.id, words(step.text)), step)

    def learn(self, nodes: list[Node], children: list[Node]) -> None:
        """Steps were drawn at ``nodes`` and led to ``children``: weigh these anew, with all above them."""
        for child in children:
            if child.finished and child.id not in self._counted:
                self._counted.add(child.id)
                self.solutions += 1
                earlier = 0.0 if self.solutions == 1 else self.expected_depth
                self.expected_depth = earlier + (child.depth - earlier) / self.solutions
        self.pending.clear()
        for node in nodes:
            self.shares[node.id] = shares(self.recorder.tree, node, self.constants)
        for child in sorted(children, key=lambda child: -child.depth):
            self.shares.setdefault(child.id, NO_CHILDREN)
            self._weigh_alone(child)
        for node in nodes:
            self._weigh(node)

    def _weigh(self, node: Node) -> None:
        for current in self.recorder.tree.ancestors(node.id):
            self._weigh_alone(current)

    def _weigh_alone(self, node: Node) -> None:
        found = self.shares[node.id]
        self.own[node.id] = self._own(node, found)
        self.gain[node.id] = best_gain(node, self.own[node.id], found, self.gain)

    def _own(self, node: Node, found: Shares) -> float:
        """What one more step at ``node`` is worth: the chance to hit, less the more steps have to follow."""
        given_up = self.misses[node.id] >= self.settings.attempts
        if node.finished or given_up or node.depth >= self.settings.depth or node.id in self.pending:
            return 0.0
        return own_gain(node, found, self.expected_depth)

    def step_tokens(self, node: Node) -> float:
        """The mean length of the steps up to ``node``, in tokens."""
        return fmean(max(1, step_length(step)) for step in self.recorder.tree.steps(node.id))

    def at_gate(self) -> int | None:
        """The node of the answer, where its confidence reaches the stop threshold."""
        if not self.solutions:
            return None
        found = self._answer()
        if found is None or found.confidence is None or found.confidence < self.settings.end_gate:
            return None
        return found.node

    def _answer(self) -> Answer | None:
        tree, rule = self.recorder.tree, self.settings.answer_by
        if rule != "posterior-vote":
            return RULES[rule].run(tree, self.constants)
        chances = products(tree, lambda node: self.shares[node.id])  # all shares are known already
        return vote_by_chances(tree, chances, self.constants)


WORDS = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[^\w\s.,;:!?\"'`…]")


def words(text: str) -> str:
    """What a step says whatever its case, white space and punctuation; numbers and operators are kept."""
    return " ".join(WORDS.findall(text.casefold()))


POSTERIOR_SEARCH = SearchMethod(
    PosteriorSearch,
    posterior_search,
    "the next step where it most likely changes the answer, by policy and value together",
    answers=("posterior-vote",),
    evaluation={"early_stop": False, "steps": 0},
)
