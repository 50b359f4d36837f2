"""Several servers of one model: which of them a request goes to, and what happens when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from restmcts.engines.openai.client import RejectedError
from restmcts.errors import EngineError, InputError
from restmcts.seeds import derive_seed

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds until a server that was left out is asked again; each time without success, the pause doubles."""

SHARE: Final = (5, 4)
"""A server gets no more than 5/4 of its share of the requests in flight, rounded up."""

NOT_FOUND: Final = 404
"""The HTTP status of a server that has another model, or none. Other refusals are about the request."""


class Ability(Protocol):
    """What a server is able to do."""

    def difference(self, other: object) -> str | None:
        """In what another server differs, as the end of a sentence; None: in nothing."""
        ...


class FleetServer(Protocol):
    """What a fleet needs of a server."""

    name: str
    requests: int

    async def close(self) -> None: ...


Server = TypeVar("Server", bound=FleetServer)
Found = TypeVar("Found", bound=Ability)
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Member(Generic[Server]):
    """A server of a fleet.

    Attributes:
        server: the server.
        in_flight: requests to it that have no reply yet.
        out: why it is left out now; None: it is not.
        pause: seconds until it is asked again, once it is left out.
        outs: how often it was left out.
        told: whether that was said.
    """

    server: Server
    in_flight: int = 0
    out: EngineError | None = None
    pause: float = field(default_factory=lambda: FIRST_PAUSE)
    outs: int = 0
    told: bool = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count a request as long as it is in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1


class Fleet(Generic[Server, Found]):
    """Servers of one model, used from one event loop.

    A request goes to the server that its text hashes to, where the beginning of its prompt is in the cache,
    unless that server has more than its share in flight; then to the next one by hash (consistent hashing
    with bounded loads, arXiv 1608.01350). A server that fails is left out, and its request goes to another at
    once. After a pause it is asked what it is able to do, and gets requests again if that is what the others
    are able to do. A fleet of one server leaves nothing out.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        examine: Callable[[Server], Awaitable[Found]],
        *,
        patience: float,
        retries: int,
    ) -> None:
        """Ask nothing yet.

        Args:
            servers: at least one.
            examine: finds out what a server is able to do; raises EngineError where it cannot be used.
            patience: seconds that a request waits while no server can be used.
            retries: how often a request goes to another server; at least once to each.
        """
        self._members = [Member(server) for server in servers]
        self._examine = examine
        self._patience = patience
        self._retries = max(retries, len(servers) - 1)
        self._agreed: tuple[str, Found] | None = None
        self._usable = asyncio.Event()
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> int:
        """Requests that were sent to all servers."""
        return sum(member.server.requests for member in self._members)

    async def open(self) -> Found:
        """What the servers are able to do; those that cannot be used now are left out.

        Raises:
            InputError: two of them are able to do different things.
            EngineError: none can be used.
        """
        if len(self._members) == 1:
            return await self._examine(self._members[0].server)
        for member, found in zip(
            self._members, await asyncio.gather(*map(self._examined, self._members)), strict=True
        ):
            if found is None:
                continue
            if self._agreed is None:
                self._agreed = member.server.name, found
            elif difference := self._difference(member, found):
                raise InputError(f"{difference}; servers of one model have to be started alike")
        if self._agreed is None:
            raise EngineError(self._all_out())
        return self._agreed[1]

    async def ask(self, text: str, work: Callable[[Server], Awaitable[Result]]) -> Result:
        """What ``work`` gives for a server that can be used.

        Args:
            text: equal for requests with the same beginning, which go to the same server if possible.
            work: sends a request to a server.

        Raises:
            RejectedError: the request is refused for good.
            EngineError: servers failed one after the other, or none could be used in time.
        """
        if len(self._members) == 1:
            return await work(self._members[0].server)
        failures = 0
        while True:
            member = self._choice(text, self._here() or await self._some())
            try:
                with member.taken():
                    result = await work(member.server)
            except EngineError as error:
                if isinstance(error, RejectedError) and error.status != NOT_FOUND:
                    raise
                self._leave_out(member, error)
                failures += 1
                if failures > self._retries:
                    raise EngineError(f"{error}; the request failed {failures} times in all") from None
            else:
                member.pause = FIRST_PAUSE
                return result

    def stats(self) -> dict[str, float]:
        """Requests; where there are several servers, their number, how many are left out now, and the
        requests to each."""
        figures = {"requests": float(self.requests)}
        if len(self._members) == 1:
            return figures
        sent = {f"requests.{place}": member.server.requests for place, member in enumerate(self._members, 1)}
        figures |= {name: float(count) for name, count in sent.items()}
        return figures | {
            "servers": float(len(self._members)),
            "servers_out": float(len(self._members) - len(self._here())),
        }

    def remarks(self) -> list[str]:
        """Which servers were left out, and whether they are back; each is said once."""
        found = []
        for member in self._members:
            if member.outs and not member.told:
                member.told = True
                state = "and is back" if member.out is None else f"and is still out: {member.out}"
                often = "once" if member.outs == 1 else f"{member.outs} times"
                found.append(f"the server {member.server.name} was left out {often} {state}")
        return found

    async def close(self) -> None:
        """Ask servers that are left out no more, and close all connections."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await asyncio.gather(*(member.server.close() for member in self._members))

    def _here(self) -> list[Member[Server]]:
        return [member for member in self._members if member.out is None]

    async def _some(self) -> list[Member[Server]]:
        """The servers that can be used, once there is one."""
        try:
            async with asyncio.timeout(self._patience):
                while not (here := self._here()):
                    self._usable.clear()
                    await self._usable.wait()
        except TimeoutError:
            raise EngineError(self._all_out()) from None
        return here

    def _choice(self, text: str, here: Sequence[Member[Server]]) -> Member[Server]:
        in_flight = sum(member.in_flight for member in here)
        more, of = SHARE
        most = -(-more * (in_flight + 1) // (of * len(here)))
        ranked = sorted(here, key=lambda member: derive_seed(text, member.server.name))
        return next(member for member in ranked if member.in_flight < most)

    def _leave_out(self, member: Member[Server], error: EngineError) -> None:
        if member.out is not None:
            return
        member.out = error
        member.outs += 1
        task = asyncio.create_task(self._wait_for(member))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _wait_for(self, member: Member[Server]) -> None:
        """Ask a server that is left out again and again, until it can be used."""
        while member.out is not None:
            await asyncio.sleep(member.pause)
            member.pause = min(2 * member.pause, LONGEST_PAUSE)
            found = await self._examined(member)
            if found is None:
                continue
            difference = self._difference(member, found)
            member.out = EngineError(difference) if difference else None
        self._usable.set()

    async def _examined(self, member: Member[Server]) -> Found | None:
        """What a server is able to do; None: it is left out, because it cannot be used."""
        try:
            return await self._examine(member.server)
        except EngineError as error:
            self._leave_out(member, error)
            member.out = error
            return None

    def _difference(self, member: Member[Server], found: Found) -> str | None:
        if self._agreed is None:
            return None
        name, agreed = self._agreed
        words = agreed.difference(found)
        return words and f"{member.server.name} is another model than {name}, or started otherwise: {words}"

    def _all_out(self) -> str:
        reasons = "; ".join(str(member.out) for member in self._members)
        return f"none of {len(self._members)} servers can be used: {reasons}"
