"""Drive a search from a script instead of a model: for tests, and to compare implementations.

    found = scripted_search(
        "mcts",
        Mcts(branch=2, rounds=3, rollout_steps=1),
        propose={(): ["a", "b"], ("a",): ["c"]},
        value={("a",): 0.5, ("b",): 0.25, ("a", "c"): 1.0},
        finished={("a", "c")},
    )
    found.visits("a"), found.value("a")

Partial solutions are written as tuples of step texts; the root is ``()``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from random import Random
from typing import Any

from restmcts.search.branch import Branch
from restmcts.search.moves import Moves, Outcome
from restmcts.search.recorder import Recorder
from restmcts.search.registry import METHODS
from restmcts.search.requests import (
    AskBudget,
    BudgetLeft,
    Complete,
    Join,
    Prefix,
    Propose,
    ProposeEach,
    Request,
    Start,
    Trace,
    Value,
    Verdict,
)
from restmcts.search.settings import Method
from store.answering.rules import RULES
from store.events import Event, Step
from store.tree import Node, Tree

Path = tuple[str, ...]
"""A partial solution: the texts of its steps."""

ProposeScript = Mapping[Path, Sequence[str]] | Callable[[Path], str]
"""The next step after a partial solution, one draw at a time.

A mapping holds the draws of each partial solution in order; when they are used up, draws are empty. A
callable is called once a draw. An empty string is a sample that is no step, and is drawn again as often
as the method's ``attempts`` allow; where whole traces are sampled, it ends the trace, and a trace
without steps is the last one.
"""

ValueScript = Mapping[Path, float] | Callable[[Path], float]
FinishedScript = Collection[Path] | Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class ScriptedSearch:
    """What a scripted search ended with."""

    tree: Tree
    events: tuple[Event, ...]
    outcome: Outcome
    answer: str | None
    asked: tuple[Request, ...]

    def node(self, *steps: str) -> Node:
        """The node of a partial solution.

        Raises:
            KeyError: the tree has no such node.
        """
        for node in self.tree.nodes:
            if tuple(step.text for step in self.tree.steps(node.id)) == steps:
                return node
        raise KeyError(steps)

    def value(self, *steps: str) -> float:
        return self.node(*steps).value

    def visits(self, *steps: str) -> int:
        return self.node(*steps).visits

    def table(self) -> dict[Path, tuple[int, float]]:
        """Visits and value of every node by its partial solution."""
        return {
            tuple(step.text for step in self.tree.steps(node.id)): (node.visits, node.value)
            for node in self.tree.nodes
        }


@dataclass(slots=True)
class Script:
    """Answers the requests of a method as a policy, a value model and a critic would."""

    recorder: Recorder
    propose: ProposeScript
    value: ValueScript
    finished: FinishedScript
    drawn: dict[Path, int] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    jobs: deque[tuple[Branch, int]] = field(default_factory=deque)
    started: int = 0
    left: int | None = None
    trace: int = 0

    def play(self, moves: Moves) -> Any:
        """What ``moves`` return."""
        reply: Any = None
        while True:
            try:
                request = moves.send(reply)
            except StopIteration as end:
                return end.value
            self.asked.append(request)
            reply = self.reply(request)
            if self.left == 0 and self.starved(request, reply):
                moves.close()
                return Outcome("budget")

    def reply(self, request: Request) -> Any:
        if isinstance(request, AskBudget):
            return BudgetLeft(self.left, self.trace)
        if isinstance(request, Propose):
            path = self.path(request.prefix)
            texts = [self.draw(path) for _ in range(request.n) if self.pay()]
            return [Step(text) if text else None for text in texts]
        if isinstance(request, Complete):
            path = self.path(request.prefix)
            traces = (self.complete(path) for _ in range(request.n))
            return [Trace(steps) for steps in takewhile(bool, traces)]
        if isinstance(request, Value):
            return [self.score(self.path(prefix)) for prefix in request.prefixes]
        if isinstance(request, ProposeEach):
            return [self.reply(proposal) for proposal in request.proposals]
        if isinstance(request, Start):
            return self.start(request)
        if isinstance(request, Join):
            branch, node = self.jobs.popleft()
            return branch.join(self.recorder, node)
        return self.critique(self.path(request.prefix))

    def start(self, request: Start) -> bool:
        """Make a job at once; its events join later."""
        branch = Branch(self.recorder.tree, request.node)
        self.started += 1
        job = replace(self, recorder=branch.recorder, jobs=deque(), started=0)
        start = branch.recorder.tree.nodes[branch.start]
        node = job.play(request.run(branch.recorder, start, Random(self.started)))
        self.jobs.append((branch, node))
        return True

    def path(self, prefix: Prefix) -> Path:
        steps = [*self.recorder.tree.steps(prefix.node), *prefix.steps]
        return tuple(step.text for step in steps)

    def starved(self, request: Request, reply: Any) -> bool:
        """Whether steps were asked for, and none came."""
        each = (
            [reply] if isinstance(request, Propose) else reply if isinstance(request, ProposeEach) else [[""]]
        )
        return not any(each)

    def pay(self) -> bool:
        """Take a token for a step; False where none is left."""
        if self.left == 0:
            return False
        self.left = None if self.left is None else self.left - 1
        return True

    def draw(self, path: Path) -> str:
        if callable(self.propose):
            return self.propose(path)
        draws = self.propose.get(path, ())
        position = self.drawn.get(path, 0)
        self.drawn[path] = position + 1
        return draws[position] if position < len(draws) else ""

    def complete(self, path: Path) -> tuple[Step, ...]:
        steps: list[Step] = []
        while not self.critique((*path, *(step.text for step in steps))).finished:
            text = self.draw((*path, *(step.text for step in steps)))
            if not text:
                break
            steps.append(Step(text))
        return tuple(steps)

    def score(self, path: Path) -> float:
        return self.value(path) if callable(self.value) else self.value[path]

    def critique(self, path: Path) -> Verdict:
        done = self.finished(path) if callable(self.finished) else path in self.finished
        return Verdict(done, path[-1] if done and path else None)


def scripted_search(
    method: str,
    settings: Method,
    *,
    propose: ProposeScript,
    value: ValueScript,
    finished: FinishedScript = (),
    seed: int = 0,
    budget: int | None = None,
    trace: int = 0,
) -> ScriptedSearch:
    """Run a search method on a scripted policy, value model and critic.

    The answer of a finished node is the text of its last step. Ties between equally promising nodes are
    broken by ``random.Random(seed)``, drawn exactly where the authors' code draws.

    Args:
        method: a name of :data:`restmcts.search.registry.METHODS`.
        settings: the settings of that method.
        propose: the next steps; see :data:`ProposeScript`.
        value: the value of each partial solution, 0 to 1.
        finished: which partial solutions are finished.
        seed: for ties.
        budget: how many next steps may be sampled; a step counts as a token. Whole traces are free.
        trace: the longest whole solution in steps, as far as the method may know.
    """
    recorder = Recorder()
    script = Script(recorder, propose, value, finished, left=budget, trace=trace)
    outcome: Outcome = script.play(METHODS[method].run(recorder, settings, Random(seed)))
    answer = _answer(recorder.tree, outcome, settings)
    return ScriptedSearch(recorder.tree, tuple(recorder.events), outcome, answer, tuple(script.asked))


def _answer(tree: Tree, outcome: Outcome, settings: Method) -> str | None:
    if outcome.node is not None:
        return tree.nodes[outcome.node].answer
    found = RULES[settings.answer_by].run(tree, settings.answer_constants())
    return None if found is None else found.text
