"""vLLM by itself: its ``LLMEngine``, stepped by the thread that owns it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Literal

from benchmarks.contenders.workload import Workload
from restmcts.engines.base import Tokens
from restmcts.engines.compute import COMPUTE
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm.engine import engine_arguments
from restmcts.engines.vllm.process import prepare_vllm, runs_on_cpu, start_engine, stop_engine

Request = tuple[Tokens, Any]
"""A prompt and vLLM's parameters."""

Chain = Generator[list[Request], list[Any], None]
"""Asks for requests that run together, and is sent their outputs; then for the next ones."""


class RawEngine:
    """An engine with the arguments that restmcts gives to its own, and nothing of restmcts while it runs."""

    def __init__(self, folder: Path, models: ModelSettings, runner: Literal["generate", "pooling"]) -> None:
        """Start it; raises :class:`restmcts.errors.InputError` where vLLM is not installed."""
        prepare_vllm(models)
        arguments = engine_arguments(folder, models, runner=runner, cpu=runs_on_cpu(models))
        self._models = models
        self._stopping = False
        self._numbers = count()
        self._inbox: queue.SimpleQueue[tuple[Request, Future[Any]] | None] = queue.SimpleQueue()
        # The thread in which our own engines compute: with one of its own, everyone would be slower.
        COMPUTE.enter()
        self._engine = COMPUTE.call(self._start, arguments)

    def _start(self, arguments: dict[str, Any]) -> Any:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        return start_engine(
            lambda: LLMEngine.from_engine_args(EngineArgs(**arguments)), self._models, inside=True
        )

    def close(self) -> None:
        """Free it; what still runs is dropped."""
        self._stopping = True
        COMPUTE.call(stop_engine, self._engine, self._models)
        COMPUTE.leave()

    def forget(self) -> None:
        """Empty the prefix cache."""
        COMPUTE.call(self._engine.reset_prefix_cache)

    def drive(self, chains: Iterable[Chain], concurrency: int) -> None:
        """Run the chains to their ends, ``concurrency`` at a time, in their order."""
        COMPUTE.call(self._drive, iter(chains), concurrency)

    def _drive(self, chains: Iterator[Chain], concurrency: int) -> None:
        asked: dict[str, tuple[int, int]] = {}
        alive: dict[int, tuple[Chain, list[Any]]] = {}
        numbers = count()

        def advance(chain: Chain, outputs: list[Any] | None) -> None:
            try:
                requests = next(chain) if outputs is None else chain.send(outputs)
            except StopIteration:
                return
            number = next(numbers)
            alive[number] = (chain, [None] * len(requests))
            for place, request in enumerate(requests):
                asked[self._add(request)] = (number, place)

        while True:
            while len(alive) < concurrency and (chain := next(chains, None)) is not None:
                advance(chain, None)
            if not alive or self._stopping:
                return
            for output in self._engine.step():
                number, place = asked.pop(output.request_id)
                alive[number][1][place] = output
                if all(alive[number][1]):
                    advance(*alive.pop(number))

    def _add(self, request: Request) -> str:
        number = str(next(self._numbers))
        prompt, parameters = request
        self._engine.add_request(number, {"type": "token", "prompt_token_ids": list(prompt)}, parameters)
        return number

    def ask(self, prompt: Tokens, parameters: Any) -> Any:
        """vLLM's output for a prompt; for threads that run inside :meth:`serve`."""
        future: Future[Any] = Future()
        self._inbox.put(((prompt, parameters), future))
        if self._stopping:
            raise RuntimeError("the engine is closed")
        return future.result()

    def serve(self, work: Callable[[int], None], number: int, threads: int) -> None:
        """Run ``work(0)`` to ``work(number - 1)``, each in one of ``threads`` that share this engine."""
        done = threading.Event()
        serving = COMPUTE.submit(self._serve, done)
        try:
            with ThreadPoolExecutor(threads) as pool:
                try:
                    for _ in pool.map(work, range(number)):
                        pass
                except BaseException:
                    # The other threads end with their next question.
                    self._stopping = True
                    raise
        finally:
            done.set()
            self._inbox.put(None)
            serving.result()

    def _serve(self, done: threading.Event) -> None:
        asked: dict[str, Future[Any]] = {}
        while not done.is_set() or asked:
            try:
                # Whoever got an answer is given the time to come with the next question.
                while (item := self._inbox.get(block=not asked)) is not None:
                    asked[self._add(item[0])] = item[1]
                    if self._inbox.empty():
                        break
            except queue.Empty:
                pass
            for output in self._engine.step() if asked else []:
                asked.pop(output.request_id).set_result(output)
            if self._stopping:
                for future in asked.values():
                    future.set_exception(RuntimeError("the engine is closed"))
                asked.clear()


def sampling(workload: Workload, n: int, **options: Any) -> Any:
    """vLLM's parameters for ``n`` samples of a step."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    return SamplingParams(
        n=n,
        temperature=workload.temperature,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,
        **options,
    )


def step_sampling(workload: Workload, n: int) -> Any:
    """vLLM's parameters for ``n`` steps as a search wants them, of whatever tokens."""
    return sampling(
        workload, n, max_tokens=workload.step_tokens, stop_token_ids=sorted(workload.stops), ignore_eos=True
    )


def raw_steps(engine: RawEngine, n: int, workload: Workload) -> tuple[int, dict[str, Any]]:
    """First steps of every problem, again and again up to the budget of each; returns the tokens."""
    engine.forget()
    totals = [0] * len(workload.prompts)

    def steps(place: int) -> Chain:
        while totals[place] < workload.budget:
            outputs = yield [(workload.prompts[place], step_sampling(workload, n))]
            totals[place] += sum(len(part.token_ids) for part in outputs[0].outputs)

    engine.drive(map(steps, range(len(totals))), workload.concurrency)
    return sum(totals), {}
