"""A policy behind the fault server."""

from __future__ import annotations

import asyncio
from typing import Any

from restmcts.engines.base import Sample, SamplingRequest
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.server_settings import OpenAiSettings
from store.events import Step
from tests.engines.fault_server import FaultServer


def settings(server: FaultServer, **changes: Any) -> OpenAiSettings:
    return OpenAiSettings.model_validate({"base_url": server.url, "retries": 2, "timeout": 5.0} | changes)


def open_engine(server: FaultServer, **changes: Any) -> OpenAiPolicy:
    return OpenAiPolicy("tiny", settings(server, **changes))


def propose(policy: OpenAiPolicy, written: str = "", **changes: Any) -> list[Sample]:
    wanted: dict[str, Any] = {"seeds": [0, 1], "max_tokens": 30, "until": "step", "temperature": 0.7}
    prompt = (*policy.prompt("What is x?"), *policy.tokens(Step(written)))
    return asyncio.run(policy.propose(SamplingRequest(prompt, **wanted | changes)))
