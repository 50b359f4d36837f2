"""its-hub: beam search and particle filtering, which speak to a server.

As its documentation has it: ``StepGeneration`` with a step token, ``OpenAICompatibleLanguageModel`` on
``vllm serve``, a process reward model of one's own, ``ainfer`` for many problems at once. The longest step
is the default ``max_completion_tokens`` of the language model. Beams are ``branch`` squared: ``branch``
paths are kept, and each goes on ``branch`` times. Particles are ``branch``, as many as an expansion has
samples, or as many as there are beams (``its-hub-particles-squared``). It counts levels and not tokens; the
levels are those that spend about the budget. A path whose text has ended is asked again until the last
level, as its ``stop_token`` does not see the end-of-text token. The server counts the tokens.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any, Literal

from benchmarks.contenders.server import NAME, Server
from benchmarks.contenders.workload import Workload, pseudo_score
from restmcts.prompts import INSTRUCTION

LIKELY_STEP = 32
"""Tokens of a step, to tell levels from a budget."""


def make_reward_model() -> Any:
    """A process reward model that costs nothing."""
    from its_hub import AbstractProcessRewardModel

    class FreeRewards(AbstractProcessRewardModel):
        def score(self, prompt_or_messages: Any, steps: list[str]) -> list[float]:
            return [pseudo_score(text) for text in steps]

        async def ascore(self, prompt_or_messages: Any, steps: list[str]) -> list[float]:
            return self.score(prompt_or_messages, steps)

    return FreeRewards()


Kind = Literal["beam", "particles", "particles-squared"]


def paths(kind: Kind, workload: Workload) -> int:
    """Paths of a problem that go on side by side."""
    return workload.branch if kind == "particles" else workload.branch**2


def make_algorithm(kind: Kind, workload: Workload) -> Any:
    """Beam search or a particle filter, as deep as the budget lasts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from its_hub import StepGeneration
        from its_hub.algorithms import BeamSearch, ParticleFiltering
    # A path stops one level after as many steps as it may have.
    levels = max(2, round(workload.budget / (paths(kind, workload) * LIKELY_STEP)))
    generation = StepGeneration(levels - 1, step_token="\n", temperature=workload.temperature)
    if kind == "beam":
        return BeamSearch(generation, make_reward_model(), beam_width=workload.branch)
    return ParticleFiltering(generation, make_reward_model())


def run_its_hub(server: Server, kind: Kind, workload: Workload) -> tuple[int, dict[str, Any]]:
    """Search all problems; returns the tokens generated."""
    from its_hub import OpenAICompatibleLanguageModel

    server.forget()
    before, busy = server.generated(), server.cpu_seconds()
    model = OpenAICompatibleLanguageModel(
        endpoint=f"{server.url}/v1",
        api_key="none",
        model_name=NAME,
        max_completion_tokens=workload.step_tokens,
    )
    algorithm = make_algorithm(kind, workload)

    async def run() -> None:
        places = asyncio.Semaphore(workload.concurrency)

        async def solve(text: str) -> None:
            async with places:
                await algorithm.ainfer(model, f"{text}\n\n{INSTRUCTION}", budget=paths(kind, workload))

        await asyncio.gather(*(solve(problem.text) for problem in workload.problems))
        await model.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.run(run())
    return server.generated() - before, {"server_cpu_seconds": server.cpu_seconds() - busy}
