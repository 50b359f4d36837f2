"""Peers that call a function for new steps: treequest and llm-reasoners, on vLLM in this process.

Both get the engine alone, with prompts as token ids and the prefix cache, and ask for neither seeds nor
log-probabilities. Each is driven as its documentation has it, and once more as fast as its interface allows:

- ``treequest``: ``StandardMCTS`` (``samples_per_action`` is ``branch``) by ``step`` with a generation
  function, which gives one state a call; a thread for each problem at once, whose requests share forward
  passes.
- ``treequest-batched``: the same by ``ask_batch`` and ``tell``; its README answers the trials of a batch one
  after another, here those of one parent are one request.
- ``llm-reasoners``: ``Reasoner`` with its ``MCTS`` (defaults: depth 5), a world model and a search
  configuration that asks for ``branch`` actions in one request; one problem after the other, as in its
  evaluators, and only ``ALONE`` of them, since more would not change the speed.
- ``llm-reasoners-threads``: the same with a thread for each problem at once.

The ``HFModel`` of llm-reasoners is not used: it sets the ids of the tokens that begin, end and pad a text to
those of Llama 1, so that with other models texts end at the wrong place. A search may exceed its budget by
its last request; ours does not, and ends with smaller ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders.raw_vllm import RawEngine, step_sampling
from benchmarks.contenders.workload import Workload, pseudo_score
from restmcts.engines.base import Tokens

ALONE = 8
"""Problems that are searched one after the other, at most."""


@dataclass(frozen=True)
class Partial:
    """A partial solution of a peer: prompt and steps as token ids."""

    tokens: Tokens
    ended: bool = False


class Steps:
    """Samples steps for one problem and counts their tokens."""

    def __init__(self, engine: RawEngine, workload: Workload, prompt: Tokens) -> None:
        self.root = Partial(prompt)
        self.tokens = 0
        self._engine = engine
        self._workload = workload

    @property
    def spent(self) -> bool:
        return self.tokens >= self._workload.budget

    def after(self, partial: Partial, n: int) -> list[Partial]:
        """``n`` continuations of a partial solution; what has ended stays as it is and costs nothing."""
        if partial.ended:
            return [partial] * n
        output = self._engine.ask(partial.tokens, step_sampling(self._workload, n))
        self.tokens += sum(len(part.token_ids) for part in output.outputs)
        return [
            Partial((*partial.tokens, *part.token_ids), part.token_ids[-1] in self._workload.ends)
            for part in output.outputs
        ]


def run_in_process(
    search: Callable[[Steps, Workload], None], threaded: bool, engine: RawEngine, workload: Workload
) -> tuple[int, dict[str, Any]]:
    """Let ``search`` loose on the problems; returns the tokens generated."""
    engine.forget()
    prompts = workload.prompts if threaded else workload.prompts[:ALONE]
    steps = [Steps(engine, workload, prompt) for prompt in prompts]
    threads = workload.concurrency if threaded else 1
    engine.serve(lambda place: search(steps[place], workload), len(steps), threads)
    return sum(each.tokens for each in steps), {"problems": len(steps)}


def search_treequest(steps: Steps, workload: Workload) -> None:
    """One search of treequest by single steps, up to the budget."""
    import treequest

    def generate(parent: Partial | None) -> tuple[Partial, float]:
        return scored(steps.after(parent or steps.root, 1)[0])

    algorithm = treequest.StandardMCTS(samples_per_action=workload.branch)
    tree = algorithm.init_tree()
    # A tree of ended texts alone asks for nothing more.
    for _ in range(workload.budget):
        if steps.spent:
            return
        tree = algorithm.step(tree, {"step": generate})


def search_treequest_batched(steps: Steps, workload: Workload) -> None:
    """One search of treequest by batches, up to the budget."""
    import treequest

    algorithm = treequest.StandardMCTS(samples_per_action=workload.branch)
    tree = algorithm.init_tree()
    for _ in range(workload.budget):
        if steps.spent:
            return
        tree, trials = algorithm.ask_batch(tree, workload.branch, ["step"])
        parents: dict[int, tuple[Partial, list[Any]]] = {}
        for trial in trials:
            parent = trial.parent_state or steps.root
            parents.setdefault(id(parent), (parent, []))[1].append(trial)
        for parent, asked in parents.values():
            for trial, found in zip(asked, steps.after(parent, len(asked)), strict=True):
                tree = algorithm.tell(tree, trial.trial_id, scored(found))


def scored(found: Partial) -> tuple[Partial, float]:
    """A partial solution and its score; one that has ended is not worth going on from."""
    return found, 0.0 if found.ended else pseudo_score(found.tokens)


def search_reasoners(steps: Steps, workload: Workload) -> None:
    """One search of llm-reasoners, up to the budget."""
    from reasoners import Reasoner, SearchConfig, WorldModel
    from reasoners.algorithm import MCTS

    class Solutions(WorldModel):
        def init_state(self) -> Partial:
            return steps.root

        def step(self, state: Partial, action: Partial) -> tuple[Partial, dict[str, Any]]:
            return action, {}

        def is_terminal(self, state: Partial) -> bool:
            return state.ended

    class Config(SearchConfig):
        def get_actions(self, state: Partial) -> list[Partial]:
            return [] if steps.spent else steps.after(state, workload.branch)

        def fast_reward(self, state: Partial, action: Partial) -> tuple[float, dict[str, Any]]:
            return pseudo_score(action.tokens), {}

        def reward(self, state: Partial, action: Partial, **details: Any) -> tuple[float, dict[str, Any]]:
            return pseudo_score(action.tokens), {}

    # Once the budget is spent, an iteration costs nothing.
    algorithm = MCTS(n_iters=max(10, workload.budget // workload.step_tokens))
    Reasoner(Solutions(), Config(), algorithm)("")


SEARCHES = {
    "treequest": (search_treequest, True),
    "treequest-batched": (search_treequest_batched, True),
    "llm-reasoners": (search_reasoners, False),
    "llm-reasoners-threads": (search_reasoners, True),
}
"""The search of each peer, and whether many run at once."""
