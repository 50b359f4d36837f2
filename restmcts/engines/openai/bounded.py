"""An HTTP client that neither waits nor reads for ever, whatever a server does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpx2
import openai

MOST_BYTES: Final = 16 * 2**20
"""The longest reply that is read, unless :func:`longest_reply` says otherwise."""

KEY_MARK: Final = b"[key]"
"""What stands in a reply where the server repeated the key."""

KEPT_HEADERS: Final = ("location", "retry-after", "retry-after-ms", "x-should-retry")
"""What is needed of the head of a reply. Others could say that the text is to be decoded in an odd way."""

_longest: ContextVar[int] = ContextVar("longest reply in bytes", default=MOST_BYTES)


class ReplyError(httpx2.RequestError):
    """A reply that was not read to its end; the message says why. The request may be sent again."""


class LostError(openai.OpenAIError):
    """A server that cannot be reached or does not reply in time, where there are others to be asked.

    The client of openai does not send a request again that ends with an error of its own family.
    """


@contextmanager
def longest_reply(size: int) -> Iterator[None]:
    """Read at most ``size`` bytes of each reply to the requests that are sent in this block."""
    token = _longest.set(size)
    try:
        yield
    finally:
        _longest.reset(token)


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """Reads whole replies, each within a time and up to a size.

    The time is that of the whole request: waiting for a connection, sending, the head of the reply, and its
    body, in however many pieces they come. Replies are asked for uncompressed, and compressed ones are
    refused, so that the size of what is read is the size of what comes. Redirects are not followed: they
    would take the prompts elsewhere.
    """

    def __init__(
        self, seconds: float, connections: int, key: str, *, trust_env: bool, alone: bool = True
    ) -> None:
        """Nothing is sent yet.

        Args:
            seconds: the longest time from the request to the end of the reply.
            connections: the most connections at a time.
            key: what must not be found in replies; "" for nothing.
            trust_env: use the proxies of the environment.
            alone: whether there are no other servers.
        """
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        super().__init__(trust_env=trust_env, follow_redirects=False, timeout=seconds, limits=limits)
        self._seconds = seconds
        self._key = key.encode()
        self._alone = alone

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """The whole reply.

        Raises:
            httpx2.TimeoutException: it is not there in time.
            ReplyError: it is too long, or compressed.
            httpx2.RequestError: the connection failed.
            LostError: there are other servers, and this one does not reply in time or cannot be reached.
        """
        request.headers["Accept-Encoding"] = "identity"
        try:
            response, content = await self._whole(request, options)
        except (httpx2.ConnectError, httpx2.TimeoutException) as error:
            if self._alone:
                raise
            raise LostError(str(error)) from error
        if self._key:
            content = content.replace(self._key, KEY_MARK)
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        return httpx2.Response(response.status_code, headers=kept, content=content, request=request)

    async def _whole(self, request: httpx2.Request, options: dict[str, Any]) -> tuple[httpx2.Response, bytes]:
        try:
            async with asyncio.timeout(self._seconds):
                response = await super().send(request, stream=True, **options)
                try:
                    return response, await _content(response, _longest.get())
                finally:
                    await response.aclose()
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no whole reply in {self._seconds:g} s", request=request) from None


async def _content(response: httpx2.Response, longest: int) -> bytes:
    encoding = response.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise ReplyError(f"the reply is compressed ({encoding[:20]}), which was not asked for")
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > longest:
            raise ReplyError(f"the reply is longer than {longest / 2**20:.1f} MiB")
    return bytes(content)
