"""Requests to vLLM that stay open after a step, so that the next step goes on where they stopped.

vLLM reuses keys and values by full blocks: a request that begins where another one stopped computes those of
the last block again, half a block on average, which is much beside a step of 30 tokens. A request whose input
may be continued keeps them: vLLM has that for input that comes in pieces (``StreamingInput``), one sample a
request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from copy import copy
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import torch

from restmcts.engines.base import Tokens

FULL: Final = 0.9
"""Share of the cache in use from which open requests that nobody uses are ended."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a request is called: by its outputs, and inside vLLM."""

    number: str
    inside: str


class OpenRequests:
    """Starts the requests of an engine in this process, and keeps them open after they stopped."""

    def __init__(self, engine: Any, most: int) -> None:
        """``most``: how many may run and be kept open together; 0 keeps none open."""
        self._engine = engine
        self._most = most
        self._tasks = engine.get_supported_tasks()
        self._core = engine.engine_core.engine_core
        self._numbers = count()
        self._running: dict[str, Name] = {}
        self._idle: OrderedDict[Tokens, Name] = OrderedDict()

    def start(self, prompt: Tokens, parameters: Any) -> tuple[str, int | None]:
        """Start to draw one sample; raises what vLLM has against it.

        Returns:
            The request's number and, where an open one goes on, how many tokens of the prompt it has.
        """
        name = self._idle.pop(prompt, None)
        if name is not None:
            self._running[name.number] = name
            try:
                self._go_on(name, prompt, parameters)
            except Exception:
                self.end([name.number])
                raise
            return name.number, len(prompt) - 1
        request = self._request(str(next(self._numbers)), prompt, parameters)
        self._engine.input_processor.assign_request_id(request)
        self._hand_over(request)
        self._running[request.external_req_id] = Name(request.external_req_id, request.request_id)
        self._make_room()
        return request.external_req_id, None

    def stopped(self, number: str, text: Tokens | None) -> None:
        """Note that a request has its sample; ``text``: prompt and sample, None if nothing can follow."""
        name = self._running.pop(number)
        if not self._most:
            return
        if text is None or text in self._idle:
            self._engine.abort_request([number])
            return
        self._idle[text] = name
        self._make_room()

    def end(self, numbers: Collection[str]) -> None:
        """End requests that are under way."""
        for number in numbers:
            self._running.pop(number, None)
        self._engine.abort_request(list(numbers))

    def end_idle(self) -> None:
        """End all requests that stay open and are not under way."""
        self._engine.abort_request([name.number for name in self._idle.values()])
        self._idle.clear()

    def _make_room(self) -> None:
        """End the longest unused open requests where places or memory run short."""
        scheduler = self._core.scheduler
        while self._idle and (
            len(self._idle) + len(self._running) > self._most or scheduler.get_kv_cache_usage() > FULL
        ):
            _, name = self._idle.popitem(last=False)
            self._engine.abort_request([name.number])

    def _go_on(self, name: Name, prompt: Tokens, parameters: Any) -> None:
        # vLLM drops the last token of a sample, for which there are no keys and values yet.
        request = self._request(name.inside, prompt[-1:], parameters)
        request.external_req_id = name.number
        # It would go on with the random numbers of the sample before.
        runner = self._core.model_executor.driver_worker.worker.model_runner
        state = runner.requests[name.inside]
        state.generator = seeded(runner.device, parameters.seed)
        self._hand_over(request)

    def _request(self, number: str, prompt: Tokens, parameters: Any) -> Any:
        return self._engine.input_processor.process_inputs(
            number,
            {"type": "token", "prompt_token_ids": list(prompt)},
            parameters,
            supported_tasks=self._tasks,
            resumable=self._most > 0,
        )

    def _hand_over(self, request: Any) -> None:
        # In one process both would append to the same list what comes later.
        shown = copy(request)
        shown.prompt_token_ids = list(request.prompt_token_ids)
        self._engine.output_processor.add_request(shown, None, None, 0)
        self._engine.engine_core.add_request(request)


def seeded(device: torch.device, seed: int | None) -> torch.Generator | None:
    """The random numbers of a seed; None without one."""
    return None if seed is None else torch.Generator(device).manual_seed(seed)
