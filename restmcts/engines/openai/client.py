"""Connections to servers: requests, retries, and errors in one line."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import random
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai

from restmcts.engines.messages import first_line
from restmcts.engines.openai.bounded import KEY_MARK, BoundedClient, LostError, ReplyError, longest_reply
from restmcts.engines.openai.replies import OddReplyError, Reply, ServedModel, read_models, read_reply
from restmcts.engines.server_settings import ServerSettings, address_problem
from restmcts.errors import EngineError, InputError
from restmcts.settings import without_userinfo

Api = Literal["completions", "chat"]

PATHS: Final[dict[Api, str]] = {"completions": "/completions", "chat": "/chat/completions"}

NO_KEY: Final = "none"
"""What is sent to a server that wants no key; the client insists on one."""

LONGEST_MESSAGE: Final = 300

REPLY_BYTES: Final = 2**20
TOKEN_BYTES: Final = 2**10
"""The longest reply that is read: so much, and so much for each token that was asked for. A token with its
log-probability takes about 100 bytes, 200 in a chat."""

LONGEST_REPLY: Final = 32 * 2**20

_ABOUT_LENGTH = re.compile(r"context|length|too long|too large|exceed", re.IGNORECASE)

R = TypeVar("R")


class RejectedError(EngineError):
    """The server does not take a request as it is; ``status`` is the HTTP status, ``reason`` its words."""

    def __init__(self, text: str, status: int, reason: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


class OpenAiServer:
    """One model on a server.

    All requests share a connection pool that belongs to the event loop of the first of them. Busy servers
    (429), failing ones (500 and above), cut connections, replies that do not come in time, are too long or
    are not what was asked for are tried again with growing pauses, or after the time that the server names;
    what it refuses is not. Where there are other servers, one that cannot be reached or does not reply in
    time is not tried again either.
    """

    def __init__(
        self,
        settings: ServerSettings,
        address: str | None,
        model: str,
        *,
        extra_body: Mapping[str, Any] | None = None,
        alone: bool = True,
    ) -> None:
        """Send nothing yet.

        Args:
            settings: how to talk to it.
            address: where it is; None: OpenAI itself.
            model: the name of the model there.
            extra_body: more keys for every request for a completion.
            alone: whether there are no other servers of this model.

        Raises:
            InputError: the key is missing, or the address is not one.
        """
        self.model = model
        self._settings = settings
        self._extra_body = extra_body or {}
        self._key = api_key(settings)
        self._client = _client(settings, address, self._key, alone=alone)
        self.url = str(self._client.base_url)
        self.name = f"{model} at {self.url}"
        self._slots = asyncio.Semaphore(settings.concurrency)
        self.requests = 0

    async def complete(self, api: Api, body: dict[str, Any], *, samples: int, max_tokens: int) -> Reply:
        """Send one request for completions and read the reply.

        Args:
            api: the interface.
            body: the request.
            samples: how many choices it asks for.
            max_tokens: the longest of them, in tokens.

        Raises:
            RejectedError: the server refuses the request: it would do so again.
            EngineError: all attempts failed, or the key is refused.
        """
        body = {**self._extra_body, **body, "model": self.model}
        read = partial(read_reply, samples=samples, max_tokens=max_tokens)
        return await self.post(PATHS[api], body, samples * max_tokens, read)

    async def post(self, path: str, body: dict[str, Any], numbers: int, read: Callable[[bytes], R]) -> R:
        """What ``read`` makes of the reply to a request, which may raise OddReplyError.

        Args:
            path: what follows the address of the server; or a whole address.
            body: the request.
            numbers: how many tokens or values are asked for, by which the reply is limited.
            read: reads a reply.

        Raises:
            RejectedError: the server refuses the request: it would do so again.
            EngineError: all attempts failed, or the key is refused.
        """
        longest = min(LONGEST_REPLY, REPLY_BYTES + TOKEN_BYTES * numbers)
        left = self._settings.retries
        while True:
            async with self._slots:
                with longest_reply(longest):
                    content, taken = await self._send(path, body, left)
            try:
                return read(content)
            except OddReplyError as error:
                left -= taken + 1
                if left < 0:
                    raise EngineError(f"{self.name}: {error} {self._after_retries}") from None
            # The client waits like this between its own attempts.
            await asyncio.sleep(min(0.5 * 2 ** (self._settings.retries - left - 1), 8) * (1 - random() / 4))

    async def models(self) -> list[ServedModel]:
        """The models that the server lists with their context; none where it has no such list.

        Raises:
            EngineError: the server cannot be reached, or refuses the key.
        """
        self.requests += 1
        try:
            models = await self._client.models.with_raw_response.list()
        except openai.OpenAIError as error:
            failure = self._failure(error)
            if isinstance(failure, RejectedError):
                return []
            raise failure from None
        return read_models(models.content)

    async def context(self) -> int | None:
        """The longest text of the model in tokens, if the server says it; see :meth:`models`."""
        return next((entry.max_model_len for entry in await self.models() if entry.id == self.model), None)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _send(self, path: str, body: dict[str, Any], retries: int) -> tuple[bytes, int]:
        """The body of a reply, and how many retries it took."""
        self.requests += 1
        try:
            reply = await self._client.post(
                path, cast_to=httpx2.Response, body=body, options={"max_retries": retries}
            )
        except openai.OpenAIError as error:
            raise self._failure(error) from None
        return reply.content, int(reply.request.headers.get("x-stainless-retry-count", 0))

    @property
    def _after_retries(self) -> str:
        return f"(after {self._settings.retries} retries)"

    def _failure(self, error: openai.OpenAIError) -> EngineError:
        """What went wrong, in one line that holds no key."""
        if isinstance(error, openai.APIStatusError):
            return self._refusal(error)
        cause = error.__cause__ or error
        tried = "" if isinstance(error, LostError) else f" {self._after_retries}"
        if isinstance(cause, httpx2.TimeoutException):
            return EngineError(f"{self.name}: no reply within {self._settings.timeout:g} s{tried}")
        words = self._one_line(str(cause) or type(cause).__name__)
        if isinstance(cause, ReplyError):
            return EngineError(f"{self.name}: {words}{tried}")
        return EngineError(f"{self.name}: cannot be reached ({words})")

    def _refusal(self, error: openai.APIStatusError) -> EngineError:
        status = error.status_code
        if 300 <= status < 400:
            location = error.response.headers.get("location", "another address")
            place = self._one_line(location).partition("?")[0]
            return EngineError(
                f"{self.name}: HTTP {status}: leads to {place}, which is not followed: set"
                f" {self._settings.table}.base_url to where the server is"
            )
        reason = self._one_line(_message(error))
        said = f"{self.name}: HTTP {status}: {reason}"
        if status in (401, 403):
            variable = self._settings.api_key_variable
            return EngineError(
                f"{said}: the key in the environment variable {variable} is missing or refused"
            )
        if status == 404:
            table = self._settings.table
            return RejectedError(f"{said}: check the model's name and {table}.base_url", status, reason)
        if status == 429 or status >= 500 or status == 408:
            return EngineError(f"{said} {self._after_retries}")
        too_long = f"; the text may be too long for the model: see {self._settings.table}.context"
        hint = too_long if status == 413 or _ABOUT_LENGTH.search(reason) else ""
        return RejectedError(said + hint, status, reason)

    def _one_line(self, text: str) -> str:
        return one_line(text, self._key)


def one_line(text: str, key: str) -> str:
    """What a server says, short, printable, and without the key and passwords."""
    if key != NO_KEY:
        text = text.replace(key, KEY_MARK.decode())
    text = " ".join(text[: 10 * LONGEST_MESSAGE].split())
    text = without_userinfo(text)
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def api_key(settings: ServerSettings) -> str:
    """The key from the environment; a server whose address is given may need none.

    Raises:
        InputError: there is none, and the hosted service would be asked; or it cannot be sent.
    """
    variable = settings.api_key_variable
    key = os.environ.get(variable, "").strip()
    if key:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise InputError(
                f"the environment variable {variable} holds no key: keys are printable ASCII without spaces"
            )
        return key
    if not server_addresses(settings):
        raise InputError(
            f"set the environment variable {variable} to a key, or name a server that needs"
            f" none: -o {settings.table}.base_url=http://127.0.0.1:8000/v1"
        )
    return NO_KEY


def server_addresses(settings: ServerSettings) -> list[str]:
    """The addresses that the settings or the environment give; none: OpenAI itself.

    Raises:
        InputError: one of the environment is no address, or holds a password.
    """
    if settings.given:
        return settings.given
    variable = settings.address_variable
    addresses = os.environ.get(variable, "").split()
    for address in addresses:
        if problem := address_problem(address):
            raise InputError(f"the environment variable {variable} {problem}")
    return list(dict.fromkeys(addresses))


def open_servers(
    settings: ServerSettings, model: str, extra_body: Mapping[str, Any] | None = None
) -> list[OpenAiServer]:
    """The servers that the settings or the environment name, of which none was asked yet.

    Raises:
        InputError: the key is missing, or an address is not one.
    """
    addresses: Sequence[str | None] = server_addresses(settings) or [None]
    alone = len(addresses) == 1
    return [
        OpenAiServer(settings, address, model, extra_body=extra_body, alone=alone) for address in addresses
    ]


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _client(settings: ServerSettings, address: str | None, key: str, *, alone: bool) -> openai.AsyncOpenAI:
    # A proxy from the environment knows no way back to this machine.
    trust_env = address is None or not is_loopback(address)
    secret = "" if key == NO_KEY else key
    limits = settings.timeout, settings.concurrency
    try:
        return openai.AsyncOpenAI(
            api_key=key,
            base_url=address,
            timeout=settings.timeout,
            max_retries=settings.retries,
            http_client=BoundedClient(*limits, secret, trust_env=trust_env, alone=alone),
        )
    except (openai.OpenAIError, httpx2.InvalidURL, ValueError) as error:
        raise InputError(f"{settings.table}: {without_userinfo(first_line(error))}") from None


def _message(error: openai.APIStatusError) -> str:
    """What the server says about a refusal; servers nest it differently."""
    body: Any = error.body
    for _ in range(2):
        if isinstance(body, dict):
            body = body.get("message") or body.get("error") or body.get("detail") or body
    return body if isinstance(body, str) and body.strip() else error.response.text or "no message"
