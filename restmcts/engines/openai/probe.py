"""What an OpenAI-compatible server understands, found out by asking it once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from restmcts.engines.openai.client import Api, OpenAiServer, RejectedError
from restmcts.engines.openai.replies import Reply
from restmcts.prompts import SEPARATOR

OPTIONAL: Final = ("logprobs", "continue_final_message", "seed", "n")
"""Parameters that a server may refuse, the one that is missed least first."""

ELSEWHERE: Final = (404, 405, 501)
"""HTTP statuses of an interface that is not there."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt as text: what the user says, and how the reply begins.

    ``about`` is equal for prompts about the same problem.
    """

    user: str
    steps: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to talk to a server: which interface, and which of the optional parameters it takes.

    ``limit`` is the name of the parameter that limits the generated tokens.
    """

    api: Api
    features: frozenset[str]
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server is able to do; ``context`` is the longest text in tokens, None if it does not say it."""

    dialect: Dialect
    context: int | None

    def difference(self, other: object) -> str | None:
        """In what another server differs, as the end of a sentence; None: in nothing."""
        if self == other or not isinstance(other, Abilities):
            return None
        if self.context != other.context:
            return f"it reads {other.context} tokens, not {self.context}"
        return f"it takes {_described(other.dialect)}, not {_described(self.dialect)}"


def _described(dialect: Dialect) -> str:
    return " ".join([dialect.api, "with", dialect.limit, *sorted(dialect.features)])


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


async def examine(
    server: OpenAiServer, wanted: Literal["auto", "completions", "chat"], *, seeds: bool = True
) -> Abilities:
    """Ask a server for its list of models, and :func:`probe` it.

    Raises:
        EngineError: it cannot be reached, or no interface works; the message is the server's.
    """
    listed = await server.context()
    return Abilities(await probe(server, wanted, seeds=seeds), listed)


async def probe(
    server: OpenAiServer, wanted: Literal["auto", "completions", "chat"], *, seeds: bool = True
) -> Dialect:
    """Try the interfaces and the optional parameters with requests for one token each.

    A parameter that an error names is left out; if none is named, one after the other is. A server that
    takes ``n`` without an error but sends one choice gets one request a sample. Without ``seeds``, none is
    ever sent.

    Raises:
        EngineError: no interface works; the message is the server's.
    """
    if wanted != "auto":
        return await _agree(server, wanted, seeds)
    try:
        return await _agree(server, "completions", seeds)
    except RejectedError as refusal:
        # What is wrong with the request itself would be wrong in a chat too.
        if refusal.status not in (*ELSEWHERE, 400, 422):
            raise
    return await _agree(server, "chat", seeds)


async def _agree(server: OpenAiServer, api: Api, seeds: bool) -> Dialect:
    """The richest request that the server takes on one interface."""
    unwanted = {"seed"} if not seeds else set()
    unwanted |= {"continue_final_message"} if api == "completions" else set()
    dialect = Dialect(api, frozenset(OPTIONAL) - unwanted)
    guesses: list[str] = []
    while (refusal := await _refusal(server, dialect)) is not None:
        dialect = _plainer(dialect, refusal, guesses)
    # The last guess was right; those before it may have been wrong.
    for name in guesses[:-1]:
        richer = replace(dialect, features=dialect.features | {name})
        if await _refusal(server, richer) is None:
            dialect = richer
    if "n" in dialect.features and len((await _try(server, dialect)).choices) < 2:
        dialect = replace(dialect, features=dialect.features - {"n"})
    return dialect


async def _try(server: OpenAiServer, dialect: Dialect) -> Reply:
    n = 2 if "n" in dialect.features else 1
    turn = Turn("1 + 1 =", "\n2")
    body = request_body(dialect, turn, n=n, seed=1, max_tokens=1, temperature=1.0, top_p=1.0, stop=True)
    return await server.complete(dialect.api, body, samples=n, max_tokens=1)


async def _refusal(server: OpenAiServer, dialect: Dialect) -> RejectedError | None:
    try:
        await _try(server, dialect)
    except RejectedError as refusal:
        return refusal
    return None


def _plainer(dialect: Dialect, refusal: RejectedError, guesses: list[str]) -> Dialect:
    """The dialect without what the server refused; a parameter that it did not name is added to ``guesses``.

    Raises:
        RejectedError: nothing is left to leave out.
    """
    if refusal.status in ELSEWHERE:
        raise refusal
    if "max_completion_tokens" in refusal.reason and dialect.limit == "max_tokens":
        return replace(dialect, limit="max_completion_tokens")
    left = [name for name in OPTIONAL if name in dialect.features]
    if not left:
        raise refusal
    named = [name for name in left if re.search(rf"\b{name}\b", refusal.reason)]
    if not named:
        guesses.append(left[0])
    return replace(dialect, features=dialect.features - {(named or left)[0]})
