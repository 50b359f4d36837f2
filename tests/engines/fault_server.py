"""An OpenAI-compatible server on loopback that fails as it is told to, and otherwise writes small solutions.

Every text depends on the request alone: its prompt, seed and the number of the choice.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import zlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any

Fault = int | str | Callable[[dict[str, Any]], Any]
"""What goes wrong with a request: a status, a name, or what is made of the right reply."""

PASSWORD = "pass-0123456789"

PIECE = b" " * 2**16
BOMB_BYTES = 2**28
PACKED_BYTES = 2**26
PACE = 0.005
"""Seconds between two bytes that drip."""

SOLUTION = ("Add {n} to both sides.\n", "That gives {n} + 4.\n", "The answer is {n}.")


def solve(asked: str, written: str, number: int) -> str:
    """What the model goes on with; ``number`` makes samples differ. Questions get a grade and advice."""
    if "one number between 0" in asked:
        return f"0.{1 + len(written + asked) % 9}"
    if "the one word DONE" in asked:
        return "Look at the\x1b[31m sign."
    lines = written.count("\n")
    return "".join(SOLUTION[lines:]).format(n=number % 3)


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FaultServer:
    """Serves in a thread of its own, as a context manager.

    ``faults`` are used up one a request for a completion; after them, ``choose`` says what goes wrong. A
    fault is a status (with ``says`` as its message), a function of the right reply that returns another one,
    or one of these: ``cut`` (the connection), ``garbage`` (no JSON), ``odd`` (JSON that is no completion),
    ``silent`` (no reply at all), ``drip`` and ``drip-head`` (a reply, a head, of which a byte comes now and
    then, without an end), ``bomb`` (a long reply), ``endless`` (one of unknown length), ``gzip`` (a short one
    that unpacks to a long one), ``redirect`` (to an address with a password), ``die`` (the server ends in the
    middle of a reply, and so do all connections) or ``fine``. ``port`` is a free one by default. ``lacks``
    are parameters that are refused with 400; ``names`` says whether the message tells which. ``apis`` are the
    interfaces there are. ``sent`` counts the bytes of long replies.
    """

    faults: Iterable[Fault] = ()
    choose: Callable[[], Fault | None] = lambda: None
    apis: tuple[str, ...] = ("completions", "chat")
    lacks: frozenset[str] = frozenset()
    names: bool = True
    ignores_n: bool = False
    usage: bool = True
    stop_reason: bool = True
    key: str | None = None
    says: str = "no luck"
    length: int | None = 4096
    port: int = 0
    write: Callable[[str, str, int], str] = solve
    seen: list[Seen] = field(default_factory=list)
    silent: int = 0
    sent: int = 0
    hold: int = 0
    connections: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> FaultServer:
        self._faults = deque(self.faults)
        self._ready = threading.Event()
        self._held: list[asyncio.Future[None]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(RuntimeError):  # it has died already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def posts(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "POST"]

    def fail(self, *faults: Fault) -> None:
        """Add faults for the next requests."""
        self._faults.extend(faults)

    def mend(self) -> None:
        """Fail no more."""
        self._faults.clear()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in self._talks.values():
            writer.close()
        await asyncio.gather(*self._talks)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks[task] = writer
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = lines[0].split()
        pairs = (line.split(":", 1) for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, value in pairs}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        seen = Seen(method, path, headers, json.loads(content) if content else {})
        self.seen.append(seen)
        fault = self._next_fault() if method == "POST" else None
        if isinstance(fault, str) and fault in BROKEN:
            await BROKEN[fault](self, reader, writer)
            return False
        await self._hold()
        status, reply = self._reply(seen, fault)
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        more = ["Retry-After: 0.01"] if status in (429, 500, 503) else []
        if fault == "redirect":
            more = [f"Location: http://user:{PASSWORD}@127.0.0.1:{self.port}/v1/other?token={PASSWORD}"]
        writer.write(head(status, f"Content-Length: {len(data)}", *more) + data)
        await writer.drain()
        return True

    def _next_fault(self) -> Fault | None:
        return self._faults.popleft() if self._faults else self.choose()

    async def _cut_off(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "Content-Length: 900") + b"{")
        await writer.drain()

    async def _die(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._cut_off(reader, writer)
        self._stop.set()

    async def _keep_silent(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        self.silent += 1
        self.arrived.set()
        await reader.read(1)  # until the client gives up
        self.hung_up.set()

    async def _drip(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "Content-Length: 90000000"))
        await self._drip_bytes(writer)

    async def _drip_head(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        await self._drip_bytes(writer)

    async def _drip_bytes(self, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(PACE)

    async def _bomb(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, f"Content-Length: {BOMB_BYTES}"))
        for _piece in range(BOMB_BYTES // len(PIECE)):
            await self._send(writer, PIECE)

    async def _endless(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "Transfer-Encoding: chunked") + b'f\r\n{"choices": [{}\r\n')
        while not writer.is_closing():
            await self._send(writer, b"10000\r\n" + b",{}     " * 2**13 + b"\r\n")

    async def _gzip(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packed = packed_bomb()
        writer.write(head(200, "Content-Encoding: gzip", f"Content-Length: {len(packed)}"))
        await self._send(writer, packed)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)

    async def _hold(self) -> None:
        """Let requests through in groups of ``hold``."""
        if not self.hold:
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._held.append(turn)
        if len(self._held) == self.hold:
            for held in self._held:
                held.set_result(None)
            self._held.clear()
        await turn

    def _reply(self, seen: Seen, fault: Fault | None) -> tuple[int, Any]:
        if self.key is not None and seen.headers.get("authorization") != f"Bearer {self.key}":
            return 401, {"error": {"message": f"wrong key {seen.headers.get('authorization')}"}}
        if isinstance(fault, int):
            return fault, {"error": {"message": self.says}}
        if fault == "redirect":
            return 307, {}
        if fault == "garbage":
            return 200, b"<html>not JSON"
        if fault == "odd":
            return 200, {"choices": [], "usage": "none"}
        if seen.method == "GET":
            entry = {"id": "tiny"} | ({"max_model_len": self.length} if self.length else {})
            return 200, {"data": [entry]}
        api = "chat" if "chat" in seen.path else "completions"
        if api not in self.apis:
            return 404, {"detail": "Not Found"}
        refused = sorted(self.lacks & seen.body.keys())
        if refused:
            text = f"Unsupported parameter: '{refused[0]}'" if self.names else "bad request"
            return 400, {"error": {"message": text, "code": 400}}
        reply = self._complete(api, seen.body)
        return 200, fault(reply) if callable(fault) else reply

    def _complete(self, api: str, body: dict[str, Any]) -> dict[str, Any]:
        if api == "chat":
            asked = body["messages"][0]["content"]
            written = body["messages"][1]["content"] if len(body["messages"]) > 1 else ""
        else:
            asked, _, written = body["prompt"].partition("Solution:\n")
            asked = asked if written else body["prompt"]
        limit = body.get("max_tokens") or body["max_completion_tokens"]
        choices, total = [], 0
        for number in range(1 if self.ignores_n else body.get("n", 1)):
            text = self.write(asked, written, body.get("seed", 0) + number)
            choice, count = self._cut(text, limit, body.get("stop") or [])
            total += count
            content = choice.pop("text")
            choice["index"] = number
            choice |= {"message": {"content": content}} if api == "chat" else {"text": content}
            if "logprobs" in body:
                values = [-0.5] * count
                choice["logprobs"] = (
                    {"content": [{"logprob": value} for value in values]}
                    if api == "chat"
                    else {"token_logprobs": values}
                )
            choices.append(choice)
        reply: dict[str, Any] = {"object": "text_completion", "choices": choices}
        if self.usage:
            prompt = len(json.dumps(body)) // 3
            reply["usage"] = {"prompt_tokens": prompt, "completion_tokens": total}
        return reply

    def _cut(self, text: str, limit: int, stop: list[str]) -> tuple[dict[str, Any], int]:
        """A choice and its tokens: words and newlines, and one for the end of the text."""
        pieces = re.findall(r"\n|[^\s]+[ ]?|[ ]", text)
        told: dict[str, Any] = {}
        for count, piece in enumerate(pieces, start=1):
            if piece in stop:
                told = {"finish_reason": "stop", "stop_reason": piece}
                pieces = pieces[: count - 1]
                break
            if count == limit:
                told = {"finish_reason": "length", "stop_reason": None}
                pieces = pieces[:count]
                break
        else:
            count = len(pieces) + 1
            told = {"finish_reason": "stop", "stop_reason": None}
        if not self.stop_reason:
            del told["stop_reason"]
        return {"text": "".join(pieces), **told}, count


BROKEN: dict[
    str, Callable[[FaultServer, asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
] = {
    "cut": FaultServer._cut_off,
    "die": FaultServer._die,
    "silent": FaultServer._keep_silent,
    "drip": FaultServer._drip,
    "drip-head": FaultServer._drip_head,
    "bomb": FaultServer._bomb,
    "endless": FaultServer._endless,
    "gzip": FaultServer._gzip,
}
"""The faults of connections, after which they are closed."""


def head(status: int, *more: str) -> bytes:
    """The head of a reply."""
    lines = [f"HTTP/1.1 {status} Status", "Content-Type: application/json", *more, "", ""]
    return "\r\n".join(lines).encode()


@cache
def packed_bomb() -> bytes:
    """``PACKED_BYTES`` blanks, packed."""
    packer = zlib.compressobj(level=1, wbits=31)
    pieces = [packer.compress(PIECE) for _ in range(PACKED_BYTES // len(PIECE))]
    return b"".join([*pieces, packer.flush()])
