"""Peers that call a function for new steps: treequest and llm-reasoners, on vLLM in this process.

Both get all that the engine has: prompts as token ids, ``branch`` samples in one request, the prefix cache,
one thread for each problem at once, whose requests share every forward pass.

- treequest: ``StandardMCTS`` through ``ask_batch`` and ``tell``, as its README shows for batches;
  ``samples_per_action`` is ``branch``. Its README answers the trials of a batch one after another; here those
  of one parent are one request.
- llm-reasoners: ``Reasoner`` with its ``MCTS`` (defaults: depth 5), a world model and a search configuration
  as its README has them. Its own way to many problems is one after another; threads go beyond it. Its
  ``HFModel`` is not used: it sets the ids of the tokens that begin, end and pad a text to those of Llama 1,
  so that with other models texts end at the wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.contenders.raw_vllm import RawEngine, step_sampling
from benchmarks.contenders.workload import Workload, pseudo_score
from restmcts.engines.base import Tokens


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


def run_in_process(search: Any, engine: RawEngine, workload: Workload) -> tuple[int, dict[str, Any]]:
    """Let ``search(steps, workload)`` loose on every problem; returns the tokens generated."""
    engine.forget()
    steps = [Steps(engine, workload, prompt) for prompt in workload.prompts]
    engine.serve(lambda place: search(steps[place], workload), len(steps), workload.concurrency)
    return sum(each.tokens for each in steps), {}


def search_treequest(steps: Steps, workload: Workload) -> None:
    """One search of treequest, up to the budget."""
    import treequest

    algorithm = treequest.StandardMCTS(samples_per_action=workload.branch)
    tree = algorithm.init_tree()
    # A tree of ended texts alone asks for nothing more.
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
                score = 0.0 if found.ended else pseudo_score(found.tokens)
                tree = algorithm.tell(tree, trial.trial_id, (found, score))


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
