"""An engine without torch, as a plug-in: what it says depends on the problem and the seed alone.

A problem that says so has something happen to the process that searches it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.registry import Engine
from restmcts.errors import EngineError
from restmcts.settings import Settings
from tests.search.search_engines import Judge, Writer

DEADLY = tuple(3000 + ord(letter) for letter in "deadly")
FAILING = tuple(3000 + ord(letter) for letter in "failing")


class ScriptedSettings(Settings):
    """How the engine behaves.

    `seconds`: how long each request takes; `refuses`: no model can be opened; `killed_once`: whoever opens a
    policy while there is no file of this name makes one and is killed.
    """

    seconds: float = 0.0
    refuses: bool = False
    killed_once: str | None = None


class ScriptedPolicy(Writer):
    """A writer that takes its time, and that some problems kill."""

    seconds = 0.0

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        if _holds(request.prompt, DEADLY):
            os.kill(os.getpid(), signal.SIGKILL)
        if _holds(request.prompt, FAILING):
            raise EngineError("writer: out of ink")
        await asyncio.sleep(self.seconds)
        return await super().propose(request)

    def stats(self) -> dict[str, float]:
        return {"generated_tokens": float(self.generated), "running": 1.0, "seconds": 0.5}

    def remarks(self) -> list[str]:
        return ["the ink is blue"] if self.generated else []


class ScriptedValue(Judge):
    """A judge that takes its time."""

    seconds = 0.0

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        await asyncio.sleep(self.seconds)
        return await super().score(prompts)


def open_policy(folder: Path, models: Any, name: str) -> ScriptedPolicy:
    settings = models.of_engine("scripted")
    if settings.refuses:
        raise EngineError("the writer is on strike")
    if settings.killed_once is not None:
        with suppress(FileExistsError):
            Path(settings.killed_once).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    policy = ScriptedPolicy(name=name, context=200)
    policy.seconds = settings.seconds
    return policy


def open_value(folder: Path, models: Any, name: str) -> ScriptedValue:
    value = ScriptedValue(name=name)
    value.seconds = models.of_engine("scripted").seconds
    return value


def _holds(prompt: Tokens, word: Tokens) -> bool:
    return any(prompt[place : place + len(word)] == word for place in range(len(prompt)))


SCRIPTED = Engine(
    summary="texts by chance",
    open_policy=open_policy,
    open_value=open_value,
    settings=ScriptedSettings,
)
