"""What an OpenAI-compatible server understands, found out by asking it once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from restmcts.engines.openai_client import Api, OpenAiServer, RejectedError
from restmcts.prompts import SEPARATOR

OPTIONAL: Final = ("logprobs", "continue_final_message", "seed", "n")
"""Parameters that a server may refuse, the one that is missed least first."""

ELSEWHERE: Final = (404, 405, 501)
"""HTTP statuses of an interface that is not there."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt as text: what the user says, and how the reply begins."""

    user: str
    steps: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to talk to a server: which interface, and which of the optional parameters it takes.

    ``limit`` is the name of the parameter that limits the generated tokens.
    """

    api: Api
    features: frozenset[str]
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


def request_body(
    dialect: Dialect,
    turn: Turn,
    *,
    n: int,
    seed: int,
    max_tokens: int,
    temperature: float,
    top_p: float,
    stop: bool,
) -> dict[str, Any]:
    """The JSON of a request, without the model's name.

    In a chat the steps so far are the beginning of the assistant's turn. vLLM and SGLang continue it when
    told to; other servers either do so by themselves or refuse the parameters that say so.
    """
    chat = dialect.api == "chat"
    body: dict[str, Any] = {dialect.limit: max_tokens, "temperature": temperature, "top_p": top_p}
    if n > 1:
        body["n"] = n
    if "seed" in dialect.features:
        body["seed"] = seed
    if "logprobs" in dialect.features:
        body["logprobs"] = True if chat else 1
    if stop:
        body["stop"] = [SEPARATOR]
    if not chat:
        return body | {"prompt": turn.user + turn.steps}
    messages = [{"role": "user", "content": turn.user}]
    if turn.steps:
        messages.append({"role": "assistant", "content": turn.steps})
        if "continue_final_message" in dialect.features:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body | {"messages": messages}


async def probe(server: OpenAiServer, wanted: Literal["auto", "completions", "chat"]) -> Dialect:
    """Try the interfaces and the optional parameters with requests for one token each.

    A parameter that an error names is left out; if none is named, one after the other is. A server that
    takes ``n`` without an error but sends one choice gets one request a sample.

    Raises:
        EngineError: no interface works; the message is the server's.
    """
    if wanted != "auto":
        return await _agree(server, wanted)
    try:
        return await _agree(server, "completions")
    except RejectedError as refusal:
        # What is wrong with the request itself would be wrong in a chat too.
        if refusal.status not in (*ELSEWHERE, 400, 422):
            raise
    return await _agree(server, "chat")


async def _agree(server: OpenAiServer, api: Api) -> Dialect:
    """The richest request that the server takes on one interface."""
    features = set(OPTIONAL if api == "chat" else (name for name in OPTIONAL if "message" not in name))
    dialect = Dialect(api, frozenset(features))
    while True:
        body = request_body(
            dialect,
            Turn("1 + 1 =", "\n2"),
            n=2 if "n" in dialect.features else 1,
            seed=1,
            max_tokens=1,
            temperature=1.0,
            top_p=1.0,
            stop=True,
        )
        try:
            reply = await server.post(api, body)
        except RejectedError as refusal:
            dialect = _plainer(dialect, refusal)
            continue
        if "n" in dialect.features and len(reply.choices) < 2:
            dialect = Dialect(api, dialect.features - {"n"}, dialect.limit)
        return dialect


def _plainer(dialect: Dialect, refusal: RejectedError) -> Dialect:
    """The dialect without what the server refused.

    Raises:
        RejectedError: nothing is left to leave out.
    """
    if refusal.status in ELSEWHERE:
        raise refusal
    if "max_completion_tokens" in refusal.reason and dialect.limit == "max_tokens":
        return Dialect(dialect.api, dialect.features, "max_completion_tokens")
    left = [name for name in OPTIONAL if name in dialect.features]
    named = [name for name in left if re.search(rf"\b{name}\b", refusal.reason)]
    if not left:
        raise refusal
    return Dialect(dialect.api, dialect.features - {(named or left)[0]}, dialect.limit)
