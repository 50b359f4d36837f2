"""Opens the engines and says who is measured."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.contenders.raw_transformers import RawModel, batched_steps, single_steps
from benchmarks.contenders.replay import replay_transformers, replay_vllm
from benchmarks.contenders.searches import Recording, forget, search
from benchmarks.contenders.workload import Workload, make_problems
from restmcts.engines.base import Policy, ValueModel
from restmcts.engines.compute import COMPUTE
from restmcts.engines.loading import context_length, end_tokens, load_policy
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.settings import ModelSettings
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.engines.transformers.value import TransformersValueModel
from restmcts.errors import InputError
from restmcts.problems.jsonl import load_problems
from restmcts.prompts import StepEnds, load_format, problem_tokens
from restmcts.tools.speed import FreeValues

Run = Callable[[Workload], tuple[int, dict[str, Any]]]

PEERS = {
    "its-hub-beam": "its_hub",
    "its-hub-particles": "its_hub",
    "its-hub-particles-squared": "its_hub",
    "treequest": "treequest",
    "treequest-batched": "treequest",
    "llm-reasoners": "reasoners",
    "llm-reasoners-threads": "reasoners",
}
"""Peers, and what they are imported as."""


@dataclass(frozen=True)
class Contender:
    """Who is measured.

    ``raw`` and ``limit`` are the keys of the contenders with which it is compared. Where ``run`` is None,
    ``note`` says why.
    """

    key: str
    title: str
    run: Run | None
    raw: str | None = None
    limit: str | None = None
    note: str = ""


class Problems:
    """The problems as every contender gets them."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        model, tokenizer = load_policy(folder, device="meta")
        size = int(model.config.get_text_config().vocab_size)
        self._ends = frozenset(end_tokens(model, tokenizer))
        separates = StepEnds(tokenizer, size).separates
        self._stops = self._ends.union(token for token, ends in enumerate(separates) if ends)
        number = max(options.problems_at_least, *options.concurrency)
        self._problems = (
            load_problems(options.problems, limit=number, require_answers=False)
            if options.problems
            else make_problems(number)
        )
        form = load_format(folder)
        self._prompts = [problem_tokens(tokenizer, problem.text, form) for problem in self._problems]
        self._options = options
        self.context = context_length(model, tokenizer)

    def workload(self, number: int, concurrency: int, budget: int, seed: int) -> Workload:
        """The first ``number`` problems."""
        return Workload(
            self._problems[:number],
            self._prompts[:number],
            concurrency,
            budget,
            self._options.branch,
            self._options.step_tokens,
            self._options.temperature,
            self._stops,
            self._ends,
            seed,
        )


class Lineup:
    """All contenders. Engines are opened in ``stack``, which closes them."""

    def __init__(
        self, folder: Path, value: Path, models: ModelSettings, options: argparse.Namespace, stack: ExitStack
    ) -> None:
        self._folder, self._value, self._models = folder, value, models
        self._options = options
        self._stack = stack
        self._environment = dict(os.environ)
        self._recordings: dict[str, Recording] = {}

    def contenders(self, longest: int) -> list[Contender]:
        """Open the engines; ``longest``: most tokens of a prompt and its continuation."""
        found: list[Contender] = []
        for engine in self._options.engines:
            try:
                found += self._vllm(longest) if engine == "vllm" else self._transformers()
            except InputError as error:
                found.append(Contender(engine, engine, None, note=f"not measured: {error}"))
                if engine == "vllm":
                    found += [Contender(peer, peer, None, note="needs vllm") for peer in self._options.peers]
        return found

    def _vllm(self, longest: int) -> Iterator[Contender]:
        from benchmarks.contenders.raw_vllm import RawEngine, raw_steps
        from restmcts.engines.vllm.policy import VllmPolicy
        from restmcts.engines.vllm.value import VllmValueModel

        plain = self._models.model_copy(
            update={"vllm": self._models.vllm.model_copy(update={"partial_blocks": False})}
        )
        raw = RawEngine(self._folder, plain, "generate")
        self._stack.callback(raw.close)
        raw_value = RawEngine(self._value, plain, "pooling")
        self._stack.callback(raw_value.close)
        policy = VllmPolicy(self._folder, self._models, name="policy", outside=False)
        self._stack.callback(policy.close)
        value = VllmValueModel(self._value, self._models, name="value", outside=False)
        self._stack.callback(value.close)

        branch = self._options.branch
        several = f"vllm raw n={branch}"
        contenders = [
            Contender("vllm raw n=1", "vllm alone, n = 1", partial(raw_steps, raw, 1)),
            Contender(several, f"vllm alone, n = {branch}", partial(raw_steps, raw, branch)),
        ]
        contenders += self._searches(
            "vllm",
            several,
            policy,
            value,
            partial(replay_vllm, raw, None),
            partial(replay_vllm, raw, raw_value),
        )
        parallel, key = self._options.parallel_rounds, "vllm search parallel"
        run = partial(self._search, key, policy, FreeValues(policy), parallel=parallel)
        title = f"restmcts on vllm, policy only, {parallel} parallel rounds"
        contenders.append(Contender(key, title, run, raw=several))
        return iter([*contenders, *self._peers(raw, several, longest)])

    def _transformers(self) -> Iterator[Contender]:
        models = self._models.model_copy(update={"engine": "transformers"})
        # A second one of each for the limit, without the thread that would step its core too.
        policy, bare_policy = (open_policy(self._folder, models, name="policy") for _ in range(2))
        value, bare_value = (open_value(self._value, models, name="value") for _ in range(2))
        for engine in (policy, bare_policy, value, bare_value):
            self._stack.callback(engine.close)
        for bare in (bare_policy, bare_value):
            assert isinstance(bare, (TransformersPolicy, TransformersValueModel))
            bare._worker.close()
        raw = RawModel(self._folder, models.dtype)
        batch = "transformers batch"
        yield Contender(
            batch,
            "transformers generate, a batch",
            lambda workload: COMPUTE.call(batched_steps, raw, workload),
        )
        yield Contender(
            "transformers node",
            "transformers generate, one node at a time",
            lambda workload: COMPUTE.call(single_steps, raw, workload),
        )
        limits = partial(self._core, bare_policy, None), partial(self._core, bare_policy, bare_value)
        yield from self._searches("transformers", batch, policy, value, *limits)

    def _searches(
        self, engine: str, raw: str, policy: Policy, value: ValueModel, free_limit: Any, full_limit: Any
    ) -> Iterator[Contender]:
        """Our searches, each with its limit after it, which replays the search of the same repeat."""
        kinds = [("policy only", FreeValues(policy), free_limit), ("with values", value, full_limit)]
        for kind, judge, replay in kinds:
            key, limit = f"{engine} search {kind}", f"{engine} limit {kind}"
            run = partial(self._search, key, policy, judge)
            yield Contender(key, f"restmcts on {engine}, {kind}", run, raw=raw, limit=limit)
            yield Contender(limit, f"… its limit, {kind}", partial(self._limit, key, replay), raw=raw)

    def _search(
        self, key: str, policy: Policy, value: ValueModel, workload: Workload, parallel: int = 1
    ) -> tuple[int, dict[str, Any]]:
        forget(policy)
        forget(value)
        self._recordings[key] = recording = Recording()
        return search(workload, policy, value, recording, parallel)

    def _limit(self, key: str, replay: Any, workload: Workload) -> tuple[int, dict[str, Any]]:
        tokens, details = replay(workload, self._recordings[key])
        return tokens, details

    def _core(
        self, policy: Any, value: Any, workload: Workload, recording: Recording
    ) -> tuple[int, dict[str, Any]]:
        forget(policy)
        if value is not None:
            forget(value)
        return replay_transformers(policy, value, workload, recording)

    def _peers(self, engine: Any, raw: str, longest: int) -> Iterator[Contender]:
        from benchmarks.contenders.in_process import SEARCHES, run_in_process
        from benchmarks.contenders.its_hub_peer import run_its_hub

        server: Any = None
        for peer in self._options.peers:
            missing = [name for name in needed(peer) if find_spec(name) is None]
            if missing:
                yield Contender(peer, peer, None, note=f"not installed ({', '.join(missing)})")
            elif peer in SEARCHES:
                run = partial(run_in_process, *SEARCHES[peer], engine)
                yield Contender(peer, f"{peer} on vllm", run, raw=raw)
            else:
                server = server or self._serve(longest)
                run = partial(run_its_hub, server, peer.removeprefix("its-hub-"))
                yield Contender(peer, f"{peer} on vllm serve", run, raw=raw)

    def _serve(self, longest: int) -> Any:
        from benchmarks.contenders.server import Server

        return self._stack.enter_context(Server(self._folder, self._models, longest, self._environment))


def needed(peer: str) -> list[str]:
    """What has to be importable for a peer."""
    extra = {
        "its_hub": ["aiohttp", "backoff", "certifi"],
        "treequest": ["ulid", "joblib"],
        "reasoners": ["tqdm"],
    }
    return [PEERS[peer], *extra[PEERS[peer]]]
