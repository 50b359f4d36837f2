"""A connection to an OpenAI-compatible server: requests, retries, and errors in one line."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from random import random
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import openai
from pydantic import ValidationError

from restmcts.engines.openai.replies import Reply
from restmcts.engines.settings import OpenAiSettings
from restmcts.errors import EngineError, InputError

Api = Literal["completions", "chat"]

NO_KEY: Final = "none"
"""What is sent to a server that wants no key; the client insists on one."""

LONGEST_MESSAGE: Final = 300

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
    ones (500 and above), time-outs, cut connections and replies that are no completion are tried again
    with growing pauses, or after the time that the server names; what it refuses is not.
    """

    def __init__(self, settings: OpenAiSettings, model: str) -> None:
        """Start the thread; nothing is sent yet.

        Raises:
            InputError: the key is missing, or the address is not one.
        """
        self.model = model
        self._settings = settings
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

    async def post(self, api: Api, body: dict[str, Any]) -> Reply:
        """Send one request and read the reply; runs in the thread.

        Raises:
            RejectedError: the server refuses the request: it would do so again.
            EngineError: all attempts failed, or the key is refused.
        """
        body = {**body, "model": self.model}
        left = self._settings.retries
        while True:
            async with self._slots:
                content, taken = await self._send(api, body, left)
            try:
                return Reply.model_validate_json(content)
            except ValidationError:
                left -= taken + 1
            if left < 0:
                raise EngineError(f"{self.name}: replied with something that is not a completion")
            # The client waits like this between its own attempts.
            await asyncio.sleep(min(0.5 * 2 ** (self._settings.retries - left - 1), 8) * (1 - random() / 4))

    async def context(self) -> int | None:
        """The longest text of the model in tokens, if the server says it in its list of models.

        Raises:
            EngineError: the server cannot be reached, or refuses the key.
        """
        self.requests += 1
        try:
            models = await self._client.models.list()
        except openai.OpenAIError as error:
            failure = self._failure(error)
            if isinstance(failure, RejectedError):
                return None  # a server need not have a list
            raise failure from None
        listed = models.data if isinstance(getattr(models, "data", None), list) else []
        for entry in listed:
            length = getattr(entry, "max_model_len", None)
            if getattr(entry, "id", None) == self.model and isinstance(length, int) and length > 0:
                return length
        return None

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

    def _failure(self, error: openai.OpenAIError) -> EngineError:
        """What went wrong, in one line that holds no key."""
        retries = f"(after {self._settings.retries} retries)"
        if isinstance(error, openai.APITimeoutError):
            return EngineError(f"{self.name}: no reply within {self._settings.timeout:g} s {retries}")
        if isinstance(error, openai.APIStatusError):
            return self._refusal(error)
        cause = error.__cause__ or error
        return EngineError(
            f"{self.name}: cannot be reached ({self._one_line(str(cause) or type(cause).__name__)})"
        )

    def _refusal(self, error: openai.APIStatusError) -> EngineError:
        status = error.status_code
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
            return EngineError(f"{said} (after {self._settings.retries} retries)")
        too_long = "; the text may be too long for the model: see models.openai.context"
        hint = too_long if status == 413 or _ABOUT_LENGTH.search(reason) else ""
        return RejectedError(said + hint, status, reason)

    def _one_line(self, text: str) -> str:
        text = " ".join(text.split())
        if self._key != NO_KEY:
            text = text.replace(self._key, "[key]")
        text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
        return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def api_key(settings: OpenAiSettings) -> str:
    """The key from the environment; a server whose address is given may need none.

    Raises:
        InputError: there is none, and the hosted service would be asked.
    """
    key = os.environ.get(settings.api_key_variable, "").strip()
    if key:
        return key
    if settings.base_url is None and not os.environ.get("OPENAI_BASE_URL"):
        raise InputError(
            f"set the environment variable {settings.api_key_variable} to a key, or name a server that needs"
            " none: -o models.openai.base_url=http://127.0.0.1:8000/v1"
        )
    return NO_KEY


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _client(settings: OpenAiSettings, key: str) -> openai.AsyncOpenAI:
    url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or ""
    # A proxy from the environment knows no way back to this machine.
    own_pool = openai.DefaultAsyncHttpxClient(trust_env=False) if is_loopback(url) else None
    try:
        return openai.AsyncOpenAI(
            api_key=key,
            base_url=settings.base_url,
            timeout=settings.timeout,
            max_retries=settings.retries,
            http_client=own_pool,
        )
    except (openai.OpenAIError, ValueError) as error:
        raise InputError(f"models.openai: {' '.join(str(error).split())}") from None


def _message(error: openai.APIStatusError) -> str:
    """What the server says about a refusal; servers nest it differently."""
    body: Any = error.body
    for _ in range(2):
        if isinstance(body, dict):
            body = body.get("message") or body.get("error") or body.get("detail") or body
    return body if isinstance(body, str) and body.strip() else error.response.text or "no message"
