"""A value model on vLLM's pooling servers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from restmcts.engines.base import Tokens
from restmcts.engines.openai.client import OpenAiServer, api_key, one_line, server_addresses
from restmcts.engines.openai.fleet import Fleet
from restmcts.engines.openai.thread import RequestThread
from restmcts.engines.pooling.replies import read_labels
from restmcts.engines.regression import RegressionPrompts
from restmcts.engines.server_settings import PoolingSettings
from restmcts.errors import EngineError, InputError
from store.events import Step

MOST_PROMPTS: Final = 64
"""Prompts in one request; more are split."""

SAME_PROBLEM: Final = 128
"""Tokens at the beginning of prompts about one problem by which its server is chosen."""

TOLERANCE: Final = 0.05
"""Labels of one model differ less between servers, whatever they compute with."""

PROBES: Final = ("The answer is 2.\n", "The answer is 3.\n")
"""Steps of the solutions of a problem that every server is asked about when the engine is opened."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says about itself: the longest prompt in tokens, and the labels of some prompts."""

    context: int | None
    labels: tuple[float | None, ...]

    def difference(self, other: object) -> str | None:
        """In what another server differs, as the end of a sentence; None: in nothing that counts."""
        if not isinstance(other, Served):
            return None
        if self.context != other.context:
            return f"it reads {other.context} tokens, not {self.context}"
        pairs = zip(self.labels, other.labels, strict=True)
        if all(_near(label, another) for label, another in pairs):
            return None
        return f"it gives the values {_listed(other.labels)} where the other gives {_listed(self.labels)}"


class PoolingValueModel(RegressionPrompts):
    """A sequence classifier with one regression label that vLLM's servers run, as a value model.

    The servers are started by ``vllm serve FOLDER --runner pooling``; the value is read after the last token
    of the partial solution, as it is by the engine ``vllm``. Prompts are sent as token ids, by the tokenizer
    of the same folder.
    """

    def __init__(
        self,
        folder: Path,
        settings: PoolingSettings,
        *,
        name: str | None = None,
        template_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Check the folder, connect to the servers, and ask each for some values.

        Args:
            folder: the folder that the servers have loaded; its weights are not read here.
            settings: where the servers are.
            name: how traces call this value model; the folder's name by default.
            template_arguments: arguments of the chat template.

        Raises:
            InputError: the folder does not hold a usable value model, there is no address, or the servers
                differ.
            EngineError: no server can be used.
        """
        super().__init__(folder, name=name, template_arguments=template_arguments or {})
        addresses = server_addresses(settings)
        if not addresses:
            raise InputError(
                "models.pooling.base_url is missing: name the server that `vllm serve FOLDER --runner"
                " pooling` has started"
            )
        alone = len(addresses) == 1
        served = settings.model or folder.name
        servers = [
            OpenAiServer(settings, f"{_root(address)}/v1", served, alone=alone) for address in addresses
        ]
        self._model = {} if settings.model is None else {"model": settings.model}
        self._fleet: Fleet[OpenAiServer, Served] = Fleet(
            servers, self._examine, patience=settings.timeout, retries=settings.retries
        )
        self._thread = RequestThread(served, partial(one_line, key=api_key(settings)))
        self._values = 0
        try:
            found = self._thread.start(self._fleet.open).result()
        except BaseException:
            self.close()
            raise
        self.context = min(filter(None, (self.context, settings.context, found.context)))

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        """The quality value of each partial solution, clamped to [0, 1], to 6 decimals.

        Raises:
            EngineError: a prompt does not fit the model, the servers failed, or the model gave something that
                is not a number.
        """
        self.check(prompts)
        parts = [prompts[first : first + MOST_PROMPTS] for first in range(0, len(prompts), MOST_PROMPTS)]
        found = await asyncio.gather(*(self._thread.run(partial(self._ask, part)) for part in parts))
        self._values += len(prompts)
        return [self.clamped(label) for labels in found for label in labels]

    def stats(self) -> dict[str, float]:
        """Values, and what :meth:`restmcts.engines.openai.fleet.Fleet.stats` has."""
        return {"values": float(self._values), **self._fleet.stats()}

    def remarks(self) -> list[str]:
        """Which servers were left out; each is said once."""
        return self._fleet.remarks()

    def close(self) -> None:
        """Cancel what is under way and close the connections; requests still waiting fail."""
        self._thread.close(self._fleet.close)

    async def _ask(self, prompts: Sequence[Tokens]) -> list[float | None]:
        beginning = " ".join(map(str, prompts[0][:SAME_PROBLEM]))
        return await self._fleet.ask(beginning, lambda server: self._labels(server, prompts))

    async def _labels(
        self, server: OpenAiServer, prompts: Sequence[Tokens], *, activation: bool = False
    ) -> list[float | None]:
        """The label after each prompt, as it is; with ``activation`` what vLLM makes of it."""
        body = {
            "input": [list(prompt) for prompt in prompts],
            "task": "classify",
            "use_activation": activation,
            "encoding_format": "float",
            **self._model,
        }
        read = partial(read_labels, prompts=len(prompts))
        return await server.post(f"{_root(server.url)}/pooling", body, len(prompts), read)

    async def _examine(self, server: OpenAiServer) -> Served:
        listed = await server.models()
        wanted = self._model.get("model")
        context = next((entry.max_model_len for entry in listed if wanted in (None, entry.id)), None)
        start = self.prompt("1 + 1 =")
        prompts = [start, *((*start, *self.tokens(Step(text))) for text in PROBES)]
        labels = await self._labels(server, prompts)
        if not self.is_regression and labels == await self._labels(server, prompts, activation=True):
            raise EngineError(
                f"{server.name}: gives values behind an activation although it was told not to; use vLLM 0.32"
                ' or newer, or set problem_type to "regression" in config.json of the served folder'
            )
        return Served(context, tuple(labels))


def _root(address: str) -> str:
    """The address of a server without the path of its OpenAI interface."""
    return address.rstrip("/").removesuffix("/v1").rstrip("/")


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, abs_tol=TOLERANCE)


def _listed(labels: Sequence[float | None]) -> str:
    return ", ".join("none" if label is None else f"{label:.3f}" for label in labels)
