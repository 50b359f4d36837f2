"""The partial solutions of one search: as a model reads them, and by number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain

from restmcts.engines.base import Policy, Tokens, ValueModel
from restmcts.prompts import advised
from restmcts.search.requests import Prefix
from store.events import Step
from store.tree import Tree


def prefix_steps(tree: Tree, prefix: Prefix) -> list[Step]:
    """All steps of a partial solution, first to last."""
    return [*tree.steps(prefix.node), *prefix.steps]


class Reader:
    """What one model reads of a problem: its prompt, and the steps that follow.

    Every beginning of a solution that was numbered has a number, so that none has to be kept as a key. Equal
    beginnings have equal numbers, whether they are in the tree or not.
    """

    __slots__ = ("_model", "_numbers", "_problem", "prompt")

    def __init__(self, model: Policy | ValueModel, problem: str) -> None:
        self._model = model
        self._problem = problem
        self._numbers: dict[tuple[int, Tokens], int] = {}
        self.prompt = model.prompt(problem)

    def room(self, steps: Sequence[Step]) -> int:
        """How many tokens may follow the problem and ``steps``."""
        return self._model.context - len(self.prompt) - sum(len(self._model.tokens(step)) for step in steps)

    def read(self, steps: Sequence[Step], advice: str | None = None) -> Tokens:
        """The problem, with ``advice`` for the next step if there is any, and ``steps`` as token ids."""
        prompt = self._model.prompt(advised(self._problem, advice)) if advice else self.prompt
        return (*prompt, *chain.from_iterable(map(self._model.tokens, steps)))

    def read_each(self, steps: Sequence[Step]) -> list[Tokens]:
        """The problem with the first step, with the first two, and so on; the problem alone without any."""
        whole = self.read(steps)
        lengths = accumulate((len(self._model.tokens(step)) for step in steps), initial=len(self.prompt))
        return [whole[:length] for length in list(lengths)[1:]] or [whole]

    def number(self, steps: Sequence[Step]) -> list[int]:
        """The numbers of the first step, of the first two, and so on; [0] without any."""
        number = 0
        numbers = []
        for step in steps:
            key = (number, self._model.tokens(step))
            number = self._numbers.setdefault(key, len(self._numbers) + 1)
            numbers.append(number)
        return numbers or [0]
