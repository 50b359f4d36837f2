"""Moves that run beside a search: they go on by themselves, and join it in the order that it asks for."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from restmcts.search.requests import Begin, Followed, Reached
from restmcts.search.running.branches import Branch
from restmcts.search.running.ledger import BudgetSpentError, Ledger
from restmcts.seeds import derive_seed
from store.events import FREE, Cost

if TYPE_CHECKING:
    from restmcts.search.running.session import Session


@dataclass(frozen=True, slots=True)
class Part:
    """How far moves beside a search came, and at what ``time``.

    ``recorded`` events, ``unrecorded`` costs after the last one; ``nodes`` as in
    :class:`~restmcts.search.requests.Followed`, but numbered as in the tree of the moves. They wait for
    ``missing`` tokens more than their share.
    """

    time: int
    nodes: list[int] | None
    ended: bool
    missing: int
    recorded: int
    unrecorded: Cost
    ledger: Ledger
    values: dict[int, float]


class Clock:
    """The time in a session: a request for samples takes as long as the longest of them has tokens.

    It says what comes first when several sessions run side by side, and does not depend on any engine.
    """

    def __init__(self, start: int = 0) -> None:
        self._times = [start]

    @property
    def now(self) -> int:
        return self._times[-1]

    def advance(self, tokens: int) -> None:
        """Let so many tokens come after what there is."""
        self._times.append(self.now + tokens)

    def ended(self, time: int) -> int:
        """When the request had ended that was under way at a time that has come."""
        return self._times[bisect_left(self._times, time)]


class Beside:
    """Moves that run beside a search, in a task of their own.

    Attributes:
        session: answers their requests.
        settled: their ledger as far as the search has accounted for it.
        last: they had all that was left of the budget.
        parts: what has not joined the search yet.
        missing: how many tokens they wait for.
    """

    def __init__(self, search: Session, session: Session, request: Begin) -> None:
        self.last = search.ledger.exhausted and not search.beside.members
        self.session = session
        self.settled = session.ledger.copy()
        self.parts: deque[Part] = deque()
        self.missing = 0
        self._more = asyncio.Event()
        self._branch = Branch(search.recorder.tree, request.node)
        session.recorder, session.within = self._branch.recorder, self
        self.moved = search.beside.moved
        self.task = asyncio.create_task(self._run(request))

    @property
    def time(self) -> int:
        """When the next part joins the search; not before this where it has not come so far."""
        return self.parts[0].time if self.parts else self.session.clock.now

    def join(self, search: Session) -> tuple[list[int] | None, bool]:
        """Let the next part join ``search``: its nodes there, and whether it was the last."""
        part = self.parts.popleft()
        # The search cannot go on before it is certain that nothing else came first.
        running = [each for each in search.beside.members.values() if not each.missing]
        certain = max(each.session.clock.ended(part.time) for each in running)
        search.clock.advance(max(0, certain - search.clock.now))
        self._branch.join(search.recorder, part.recorded)
        search.recorder.spend(part.unrecorded)
        search.ledger.settle(self.settled, part.ledger)
        search.values.update(part.values)
        self.settled = part.ledger
        self.missing = part.missing
        if part.ended:
            self.session.within = None  # or the two would keep each other in memory
        return None if part.nodes is None else self._branch.here(part.nodes), part.ended

    def go_on(self, search: Session) -> None:
        """Lend it what it waits for, or as much of it as is left."""
        session = self.session
        search.ledger.lend_more(session.ledger, self.missing)
        self.settled = session.ledger.copy()
        session.clock.advance(search.clock.now - session.clock.now)
        self.missing = 0
        self._more.set()

    async def _run(self, request: Begin) -> None:
        recorder, session = self.session.recorder, self.session
        start = recorder.tree.nodes[self._branch.start]
        try:
            nodes = await session.drive(
                request.run(recorder, start, Random(derive_seed(session.seed, "ties")))
            )
            if session.ledger.budget is not None:
                session.ledger.budget = session.ledger.spent
            self._tell(nodes, ended=True)
        finally:
            self.moved()  # who waits has to see a failure too

    def reached(self, reached: Reached) -> None:
        """Tell how far it is, and give back what the rest cannot take."""
        session, ledger = self.session, self.session.ledger
        if ledger.budget is not None and not session.prompted:
            rest = session.enough(reached.samples) if reached.samples else 0
            ledger.budget = min(ledger.budget, ledger.spent + rest)
        self._tell(reached.nodes)

    async def need(self, likely: float, enough: int) -> None:
        """Where its share is less than what comes next is likely to take, wait until it has enough."""
        left = self.session.ledger.left
        if left is not None and left < likely:
            self._tell([], missing=enough - left)
            self._more.clear()
            await self._more.wait()

    def _tell(self, nodes: list[int] | None, ended: bool = False, missing: int = 0) -> None:
        session, recorder = self.session, self.session.recorder
        self.parts.append(
            Part(
                time=session.clock.now,
                nodes=nodes,
                ended=ended,
                missing=missing,
                recorded=len(recorder.events),
                unrecorded=recorder.unrecorded if ended else FREE,
                ledger=session.ledger.copy(),
                values=dict(session.values),
            )
        )
        self.moved()


class Group:
    """The moves that run beside a search, by number."""

    def __init__(self) -> None:
        self.members: dict[int, Beside] = {}
        self._begun = 0
        self._moved = asyncio.Event()

    def begin(self, search: Session, request: Begin) -> int | None:
        """Begin moves beside ``search``.

        Raises:
            BudgetSpentError: there is nothing left for them, and nothing else is under way.
        """
        left = share = search.ledger.left
        if left is not None:
            wanted = search.enough(request.samples)
            waiting = any(beside.missing for beside in self.members.values())
            if self.members and (waiting or wanted > left):
                return None
            if left == 0:
                raise BudgetSpentError
            share = min(left, max(wanted, left // request.beside))
        self._begun += 1
        session = search.branch_off(self._begun, share)
        self.members[self._begun] = Beside(search, session, request)
        return self._begun

    async def follow(self, search: Session) -> Followed:
        """Let what some moves did next join ``search``.

        Raises:
            EngineError: some moves failed.
            BudgetSpentError: these moves had all that was left, and it was not enough.
        """
        number = await self._first_there()
        beside = self.members[number]
        nodes, ended = beside.join(search)
        if ended:
            del self.members[number]
            search.ledger.count("moves", beside.session.ledger.spent)
            if nodes is None and beside.last and not self.members:
                raise BudgetSpentError
        self._lend_more(search)
        return Followed(number, nodes, ended)

    def _lend_more(self, search: Session) -> None:
        """Let moves that wait for a larger share go on, as soon as enough is left or nothing else goes on."""
        for beside in self.members.values():
            enough = (search.ledger.left or 0) >= beside.missing
            if beside.missing and (enough or all(each.missing for each in self.members.values())):
                beside.go_on(search)

    async def _first_there(self) -> int:
        """Wait until it is certain which moves come first, whatever the engines do.

        Raises:
            EngineError: some moves failed.
        """
        while True:
            for beside in self.members.values():
                if beside.task.done():
                    beside.task.result()
            running = {number: beside for number, beside in self.members.items() if not beside.missing}
            number = min(running, key=lambda number: (running[number].time, number))
            if running[number].parts:
                return number
            self._moved.clear()
            await self._moved.wait()

    async def close(self, search: Session) -> None:
        """Stop the moves that still run beside ``search``; what they took is accounted for."""
        tasks = [beside.task for beside in self.members.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for beside in self.members.values():
            search.ledger.settle(beside.settled, beside.session.ledger)

    def moved(self) -> None:
        """Some moves came further, or ended."""
        self._moved.set()
