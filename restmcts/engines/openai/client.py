"""A connection to an OpenAI-compatible server: requests, retries, and errors in one line."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from random import random
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai

from restmcts.engines.messages import first_line
from restmcts.engines.openai.bounded import KEY_MARK, BoundedClient, ReplyError, longest_reply
from restmcts.engines.openai.replies import OddReplyError, Reply, read_models, read_reply
from restmcts.engines.settings import OpenAiSettings, address_problem
from restmcts.errors import EngineError, InputError, RestmctsError
from restmcts.settings import without_userinfo

Api = Literal["completions", "chat"]

ADDRESS_VARIABLE: Final = "OPENAI_BASE_URL"

NO_KEY: Final = "none"
"""What is sent to a server that wants no key; the client insists on one."""

LONGEST_MESSAGE: Final = 300

REPLY_BYTES: Final = 2**20
TOKEN_BYTES: Final = 2**10
"""The longest reply that is read: so much, and so much for each token that was asked for. A token with its
log-probability takes about 100 bytes, 200 in a chat."""

LONGEST_REPLY: Final = 32 * 2**20

_ABOUT_LENGTH = re.compile(r"context|length|too long|too large|exceed", re.IGNORECASE)

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]


class RejectedError(EngineError):
    """The server does not take a request as it is; ``status`` is the HTTP status, ``reason`` its words."""

    def __init__(self, text: str, status: int, reason: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


class OpenAiServer:
    """One model on a server.

    All requests share a connection pool that lives in an event loop and a thread of its own, so that the
    pool outlives the event loops of those who ask, one for each phase of a run. Busy servers (429), failing
    ones (500 and above), cut connections, replies that do not come in time, are too long or are no completion
    are tried again with growing pauses, or after the time that the server names; what it refuses is not.
    """

    def __init__(self, settings: OpenAiSettings, model: str, extra_body: Mapping[str, Any]) -> None:
        """Start the thread; nothing is sent yet. ``extra_body`` has more keys for every request.

        Raises:
            InputError: the key is missing, or the address is not one.
        """
        self.model = model
        self._settings = settings
        self._extra_body = extra_body
        self._key = api_key(settings)
        self._client = _client(settings, self._key)
        self.name = f"{model} at {self._client.base_url}"
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._closed = False
        self.requests = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"openai {model}", daemon=True)
        self._thread.start()

    def start(self, work: Work[T]) -> Future[T]:
        """Run ``work()`` in the thread; cancelling the future cancels its HTTP requests.

        Raises:
            EngineError: the engine was closed.
        """
        if self._closed:
            raise EngineError(f"{self.model}: the engine is closed")
        return asyncio.run_coroutine_threadsafe(self._guarded(work), self._loop)

    async def run(self, work: Work[T]) -> T:
        """Run ``work()`` in the thread and wait for it from another event loop."""
        return await asyncio.wrap_future(self.start(work))

    async def post(self, api: Api, body: dict[str, Any], *, samples: int, max_tokens: int) -> Reply:
        """Send one request and read the reply; runs in the thread.

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
        longest = min(LONGEST_REPLY, REPLY_BYTES + TOKEN_BYTES * samples * max_tokens)
        left = self._settings.retries
        while True:
            async with self._slots:
                with longest_reply(longest):
                    content, taken = await self._send(api, body, left)
            try:
                return read_reply(content, samples, max_tokens)
            except OddReplyError as error:
                left -= taken + 1
                if left < 0:
                    raise EngineError(f"{self.name}: {error} {self._after_retries}") from None
            # The client waits like this between its own attempts.
            await asyncio.sleep(min(0.5 * 2 ** (self._settings.retries - left - 1), 8) * (1 - random() / 4))

    async def context(self) -> int | None:
        """The longest text of the model in tokens, if the server says it in its list of models.

        Raises:
            EngineError: the server cannot be reached, or refuses the key.
        """
        self.requests += 1
        try:
            models = await self._client.models.with_raw_response.list()
        except openai.OpenAIError as error:
            failure = self._failure(error)
            if isinstance(failure, RejectedError):
                return None  # a server need not have a list
            raise failure from None
        return next(
            (entry.max_model_len for entry in read_models(models.content) if entry.id == self.model), None
        )

    def close(self) -> None:
        """Cancel what is under way, close the connections and end the thread; those who wait get an
        EngineError."""
        if self._closed:
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    async def _guarded(self, work: Work[T]) -> T:
        try:
            return await work()
        except RestmctsError:
            raise
        except Exception as error:  # a failure of any kind belongs to those who wait
            raise EngineError(
                f"{self.name}: {type(error).__name__}: {self._one_line(first_line(error))}"
            ) from error
        except asyncio.CancelledError:
            if self._closed:
                raise EngineError(f"{self.model}: the engine was closed") from None
            raise

    async def _send(self, api: Api, body: dict[str, Any], retries: int) -> tuple[bytes, int]:
        """The body of a reply, and how many retries it took."""
        self.requests += 1
        client = self._client.with_options(max_retries=retries)
        # The client sends extra_body as it is: the servers that this talks to take more than its types say.
        try:
            if api == "chat":
                reply = await client.chat.completions.with_raw_response.create(
                    model=self.model, messages=[], extra_body=body
                )
            else:
                done = await client.completions.with_raw_response.create(
                    model=self.model, prompt="", extra_body=body
                )
                return done.content, done.retries_taken
        except openai.OpenAIError as error:
            raise self._failure(error) from None
        return reply.content, reply.retries_taken

    @property
    def _after_retries(self) -> str:
        return f"(after {self._settings.retries} retries)"

    def _failure(self, error: openai.OpenAIError) -> EngineError:
        """What went wrong, in one line that holds no key."""
        if isinstance(error, openai.APITimeoutError):
            return EngineError(
                f"{self.name}: no reply within {self._settings.timeout:g} s {self._after_retries}"
            )
        if isinstance(error, openai.APIStatusError):
            return self._refusal(error)
        cause = error.__cause__ or error
        words = self._one_line(str(cause) or type(cause).__name__)
        if isinstance(cause, ReplyError):
            return EngineError(f"{self.name}: {words} {self._after_retries}")
        return EngineError(f"{self.name}: cannot be reached ({words})")

    def _refusal(self, error: openai.APIStatusError) -> EngineError:
        status = error.status_code
        if 300 <= status < 400:
            place = self._one_line(error.response.headers.get("location", "another address")).partition("?")[
                0
            ]
            return EngineError(
                f"{self.name}: HTTP {status}: leads to {place}, which is not followed: set"
                " models.openai.base_url to where the server is"
            )
        reason = self._one_line(_message(error))
        said = f"{self.name}: HTTP {status}: {reason}"
        if status in (401, 403):
            variable = self._settings.api_key_variable
            return EngineError(
                f"{said}: the key in the environment variable {variable} is missing or refused"
            )
        if status == 404:
            return RejectedError(f"{said}: check the model's name and models.openai.base_url", status, reason)
        if status == 429 or status >= 500 or status == 408:
            return EngineError(f"{said} {self._after_retries}")
        too_long = "; the text may be too long for the model: see models.openai.context"
        hint = too_long if status == 413 or _ABOUT_LENGTH.search(reason) else ""
        return RejectedError(said + hint, status, reason)

    def _one_line(self, text: str) -> str:
        """What a server says, short, printable, and without keys and passwords."""
        if self._key != NO_KEY:
            text = text.replace(self._key, KEY_MARK.decode())
        text = " ".join(text[: 10 * LONGEST_MESSAGE].split())
        text = without_userinfo(text)
        text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
        return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def api_key(settings: OpenAiSettings) -> str:
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
    if not server_address(settings):
        raise InputError(
            f"set the environment variable {variable} to a key, or name a server that needs"
            " none: -o models.openai.base_url=http://127.0.0.1:8000/v1"
        )
    return NO_KEY


def server_address(settings: OpenAiSettings) -> str | None:
    """The address that the settings or the environment give; None: OpenAI itself.

    Raises:
        InputError: that of the environment is no address, or holds a password.
    """
    if settings.base_url is not None:
        return settings.base_url
    address = os.environ.get(ADDRESS_VARIABLE, "").strip()
    if address and (problem := address_problem(address)):
        raise InputError(f"the environment variable {ADDRESS_VARIABLE} {problem}")
    return address or None


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _client(settings: OpenAiSettings, key: str) -> openai.AsyncOpenAI:
    address = server_address(settings)
    # A proxy from the environment knows no way back to this machine.
    trust_env = address is None or not is_loopback(address)
    secret = "" if key == NO_KEY else key
    try:
        return openai.AsyncOpenAI(
            api_key=key,
            base_url=address,
            timeout=settings.timeout,
            max_retries=settings.retries,
            http_client=BoundedClient(settings.timeout, settings.concurrency, secret, trust_env=trust_env),
        )
    except (openai.OpenAIError, httpx2.InvalidURL, ValueError) as error:
        raise InputError(f"models.openai: {without_userinfo(first_line(error))}") from None


def _message(error: openai.APIStatusError) -> str:
    """What the server says about a refusal; servers nest it differently."""
    body: Any = error.body
    for _ in range(2):
        if isinstance(body, dict):
            body = body.get("message") or body.get("error") or body.get("detail") or body
    return body if isinstance(body, str) and body.strip() else error.response.text or "no message"
