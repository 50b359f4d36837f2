"""An engine of vLLM in processes of its own: on GPUs, or split over several."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from restmcts.engines.base import Tokens
from restmcts.engines.batching import EngineStats
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm.outputs import Allowance, Tally
from restmcts.engines.vllm.process import collect_engine, quiet_process, start_engine
from restmcts.errors import EngineError


class OutsideEngine:
    """Requests to vLLM's ``AsyncLLM``.

    It belongs to the event loop that it is first used in, and a run has several, one after another: it
    gets a thread with a loop of its own.
    """

    counts_tokens = False

    def __init__(self, make: Callable[[], Any], models: ModelSettings, name: str, *, pooling: bool) -> None:
        """``make`` makes the ``AsyncLLM``; what it raises is raised here."""
        self._name = name
        self._models = models
        self._pooling = pooling
        self._tally = Tally()
        self._begun = 0.0
        self._seconds = 0.0
        self._numbers = count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        try:
            self._engine: Any = self._call(self._make(make))
        except BaseException:
            self._end_thread()
            raise
        self.context: int = self._engine.vllm_config.model_config.max_model_len

    async def run(self, prompt: Tokens, parameters: Any, allowance: Allowance | None = None) -> Any:
        """vLLM's output for a prompt; without an allowance, as tokens are counted in another process.

        Raises:
            EngineError: vLLM refused the request, failed, or was closed.
        """
        assert allowance is None
        if self._closed:
            raise EngineError(f"{self._name}: the engine is closed")
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._request(prompt, parameters), self._loop)
        )

    def stats(self) -> EngineStats:
        """What has been done so far; how many forward passes that took is known to vLLM alone."""
        return EngineStats(
            prompt_tokens=self._tally.prompt_tokens,
            cached_tokens=self._tally.cached_tokens,
            generated_tokens=self._tally.generated_tokens,
            forward_passes=0,
            seconds=self._seconds,
            waiting=0,
            running=len(self._tasks),
        )

    def close(self) -> None:
        """End processes and thread; who still waits gets an EngineError."""
        if self._closed:
            return
        self._closed = True
        self._call(self._stop())
        self._end_thread()
        collect_engine()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _make(self, make: Callable[[], Any]) -> Any:
        return start_engine(make, self._models, inside=False)

    async def _stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with quiet_process(self._models):
            self._engine.shutdown()
        handler, self._engine = self._engine.output_handler, None
        if handler is not None:
            await asyncio.gather(handler, return_exceptions=True)

    async def _request(self, prompt: Tokens, parameters: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        if not self._tasks:
            self._begun = time.perf_counter()
        self._tasks.add(task)
        try:
            output = await self._last(prompt, parameters)
        except asyncio.CancelledError:
            if self._closed:
                raise EngineError(f"{self._name}: the engine was closed") from None
            raise
        except Exception as error:  # a failure of any kind belongs to those who wait
            raise EngineError(f"{self._name}: {type(error).__name__}: {error}") from error
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._seconds += time.perf_counter() - self._begun
        self._tally.count(output)
        return output

    async def _last(self, prompt: Tokens, parameters: Any) -> Any:
        """The last output of a request, which is the only one."""
        ask = self._engine.encode if self._pooling else self._engine.generate
        inputs = {"type": "token", "prompt_token_ids": list(prompt)}
        outputs = [output async for output in ask(inputs, parameters, str(next(self._numbers)))]
        return outputs[-1]
