"""Which server of a fleet a request goes to, by servers without a network that fail as they are told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restmcts.engines.openai import fleet as fleet_module
from restmcts.engines.openai.client import RejectedError
from restmcts.engines.openai.fleet import Fleet
from restmcts.errors import EngineError, InputError

FAILURES = st.lists(st.booleans(), max_size=12)
"""For each request to a server in turn, whether it fails; later ones do not."""

TEXTS = [f"problem {number}" for number in range(60)]


@dataclass
class Scripted:
    """A server that takes as many turns of the event loop for a request as ``turns`` says.

    ``fails`` is used up by requests, ``absent`` by questions about what it is able to do.
    """

    name: str
    fails: list[bool] = field(default_factory=list)
    absent: list[bool] = field(default_factory=list)
    turns: int = 1
    ability: str = "plain"
    refusal: RejectedError | None = None
    requests: int = 0
    asked: int = 0
    texts: list[str] = field(default_factory=list)
    closed: bool = False

    async def send(self, text: str) -> str:
        self.requests += 1
        self.texts.append(text)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        if self.fails and self.fails.pop(0):
            raise EngineError(f"{self.name}: no luck")
        return f"{text} answered"

    async def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Does:
    what: str

    def difference(self, other: object) -> str | None:
        return None if self == other else f"it does {other}, not {self}"


async def examine(server: Scripted) -> Does:
    server.asked += 1
    await asyncio.sleep(0)
    if server.absent and server.absent.pop(0):
        raise EngineError(f"{server.name}: cannot be reached")
    return Does(server.ability)


def fleet_of(*servers: Scripted, patience: float = 10.0, retries: int = 2) -> Fleet[Scripted, Does]:
    return Fleet(servers, examine, patience=patience, retries=retries)


def three() -> list[Scripted]:
    return [Scripted(name) for name in "abc"]


async def ask(fleet: Fleet[Scripted, Does], text: str) -> str:
    return await fleet.ask(text, lambda server: server.send(text))


def run(work: Coroutine[Any, Any, object]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "FIRST_PAUSE", 0.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scripts=st.lists(st.tuples(FAILURES, FAILURES, st.integers(0, 3)), min_size=2, max_size=5),
    texts=st.lists(st.sampled_from("abcdef"), max_size=40),
    at_once=st.integers(1, 12),
    retries=st.integers(0, 3),
)
def test_each_request_is_answered_once_or_has_failed_often_enough(
    scripts: list[tuple[list[bool], list[bool], int]], texts: list[str], at_once: int, retries: int
) -> None:
    servers = [
        Scripted(f"s{place}", list(fails), [False, *absent], turns)
        for place, (fails, absent, turns) in enumerate(scripts)
    ]
    fleet = fleet_of(*servers, retries=retries)
    answers: list[str] = []
    failed: list[str] = []

    async def send(server: Scripted, text: str) -> str:
        here = [member for member in fleet._members if member.out is None]
        (taken,) = (member for member in fleet._members if member.server is server)
        assert taken in here, "a request went to a server that is left out"
        most = -(-5 * sum(member.in_flight for member in here) // (4 * len(here)))
        assert taken.in_flight <= most, "a server has more than its share"
        return await server.send(text)

    async def one(text: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                answers.append(await fleet.ask(text, lambda server: send(server, text)))
            except EngineError as error:
                assert f"failed {max(retries, len(servers) - 1) + 1} times" in str(error)
                failed.append(f"{text} answered")

    async def all_of_them() -> None:
        await fleet.open()
        slots = asyncio.Semaphore(at_once)
        await asyncio.gather(*(one(text, slots) for text in texts))
        assert all(member.in_flight == 0 for member in fleet._members)
        await fleet.close()

    run(all_of_them())
    assert Counter(answers + failed) == Counter(f"{text} answered" for text in texts)
    failures = sum(
        sum(fails[: server.requests]) for (fails, _, _), server in zip(scripts, servers, strict=True)
    )
    assert fleet.requests == len(answers) + failures
    assert all(server.closed for server in servers)


def test_a_text_has_its_server_and_those_of_a_lost_one_are_shared_out() -> None:
    servers = three()
    fleet = fleet_of(*servers)

    async def ask_all() -> dict[str, str]:
        found = {}
        for text in TEXTS:
            for _ in range(2):
                found[text] = await fleet.ask(text, lambda server: name_of(server))
        return found

    async def name_of(server: Scripted) -> str:
        await server.send("?")
        return server.name

    async def lose_one() -> None:
        await fleet.open()
        before = await ask_all()
        assert {server.requests % 2 for server in servers} == {0}
        assert min(Counter(before.values()).values()) > len(TEXTS) / 6
        servers[0].fails, servers[0].absent = [True], [True] * 10**6
        after = await ask_all()
        assert {text for text in TEXTS if before[text] != after[text]} == {
            text for text in TEXTS if before[text] == "a"
        }
        assert set(after.values()) == {"b", "c"}
        await fleet.close()

    run(lose_one())


def test_requests_about_a_problem_stay_with_its_server_although_all_are_busy() -> None:
    """Between two requests of a search others come first, as while another model computes its values."""
    random = Random(1)
    servers = [Scripted(str(place), turns=3) for place in range(8)]
    fleet = fleet_of(*servers)
    places: dict[str, list[str]] = {text: [] for text in TEXTS}

    async def search(text: str) -> None:
        async def send(server: Scripted) -> None:
            places[text].append(server.name)
            await server.send(text)

        for _ in range(30):
            await fleet.ask(text, send)
            for _ in range(random.randrange(8)):
                await asyncio.sleep(0)

    async def search_all() -> None:
        await fleet.open()
        await asyncio.gather(*map(search, TEXTS))

    run(search_all())
    pairs = [before == after for each in places.values() for before, after in pairwise(each)]
    # The server with the fewest requests in flight would be the one before in 1 of 8 cases.
    assert sum(pairs) > 0.6 * len(pairs)
    assert max(server.requests for server in servers) < 2 * min(server.requests for server in servers)


def test_a_text_that_everybody_asks_is_shared_out() -> None:
    servers = three()
    for server in servers:
        server.turns = 50
    fleet = fleet_of(*servers)

    async def ask_at_once() -> None:
        await fleet.open()
        await asyncio.gather(*(ask(fleet, "the same") for _ in range(60)))

    run(ask_at_once())
    assert all(10 <= server.requests <= 25 for server in servers)


def test_a_server_that_failed_gets_requests_again_when_it_can_be_used() -> None:
    servers = three()
    fleet = fleet_of(*servers)

    async def lose_and_find() -> None:
        await fleet.open()
        servers[1].fails, servers[1].absent = [True], [True, True]
        for text in TEXTS:
            await ask(fleet, text)
        assert fleet.remarks() == ["the server b was left out once and is back"]
        assert fleet.remarks() == []
        await fleet.close()

    run(lose_and_find())
    # At the opening, twice without success, and with it.
    assert [server.asked for server in servers] == [1, 4, 1]
    assert servers[1].requests > 5
    assert fleet.stats() == {
        "requests": 61.0,
        **{f"requests.{place}": float(server.requests) for place, server in enumerate(servers, 1)},
        "servers": 3.0,
        "servers_out": 0.0,
    }


def test_a_server_that_is_another_model_afterwards_stays_out() -> None:
    servers = three()
    fleet = fleet_of(*servers)

    async def lose() -> None:
        await fleet.open()
        servers[2].fails, servers[2].ability = [True], "odd"
        for text in TEXTS:
            await ask(fleet, text)
        await fleet.close()

    run(lose())
    assert servers[2].requests == 1 and servers[2].asked > 2
    (remark,) = fleet.remarks()
    assert remark.startswith("the server c was left out once and is still out: c is another model than a")


def test_servers_that_differ_at_the_opening_are_refused() -> None:
    fleet = fleet_of(Scripted("a"), Scripted("b", ability="odd"))
    with pytest.raises(InputError, match=r"b is another model than a.*started alike"):
        run(fleet.open())


def test_servers_that_are_absent_at_the_opening_are_left_out() -> None:
    servers = [Scripted("a", absent=[True] * 10**6), Scripted("b")]
    fleet = fleet_of(*servers)

    async def open_and_ask() -> None:
        await fleet.open()
        for text in TEXTS:
            await ask(fleet, text)
        await fleet.close()

    run(open_and_ask())
    assert [server.requests for server in servers] == [0, len(TEXTS)]
    assert fleet.remarks() == ["the server a was left out once and is still out: a: cannot be reached"]


def test_where_none_can_be_used_all_are_named() -> None:
    fleet = fleet_of(*(Scripted(name, absent=[True] * 10**6) for name in "ab"))
    with pytest.raises(EngineError, match=r"none of 2 servers can be used: a: cannot be .*; b: cannot be"):
        run(fleet.open())


def test_requests_wait_for_a_server_but_not_for_ever() -> None:
    servers = [Scripted(name) for name in "ab"]
    fleet = fleet_of(*servers, patience=0.05)

    async def lose_both() -> None:
        await fleet.open()
        for server in servers:
            server.fails, server.absent = [True], [True] * 20
        assert await ask(fleet, "x") == "x answered"
        for server in servers:
            server.fails, server.absent = [True], [True] * 10**6
        with pytest.raises(EngineError, match=r"none of 2 servers can be used: a: .*; b: "):
            await ask(fleet, "x")
        await fleet.close()

    run(lose_both())


def test_a_refusal_is_of_the_request_unless_the_model_is_not_there() -> None:
    servers = three()
    fleet = fleet_of(*servers)

    async def refuse() -> None:
        await fleet.open()
        for server in servers:
            server.refusal = RejectedError("too long", 400, "too long")
        with pytest.raises(RejectedError, match="too long"):
            await ask(fleet, "x")
        assert fleet.requests == 1 and fleet.remarks() == []
        servers[0].refusal = servers[1].refusal = None
        servers[2].refusal, servers[2].absent = RejectedError("no such model", 404, ""), [True] * 10**6
        for text in TEXTS:
            await ask(fleet, text)
        await fleet.close()

    run(refuse())
    (remark,) = fleet.remarks()
    assert remark.startswith("the server c was left out once and is still out")


def test_a_cancelled_request_is_not_in_flight() -> None:
    servers = [Scripted(name, turns=10**9) for name in "ab"]
    fleet = fleet_of(*servers)

    async def cancel() -> None:
        await fleet.open()
        waiting = asyncio.ensure_future(ask(fleet, "x"))
        while not fleet.requests:
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert [member.in_flight for member in fleet._members] == [0, 0]
        assert [member.out for member in fleet._members] == [None, None]
        await fleet.close()

    run(cancel())


def test_a_server_that_is_alone_is_never_left_out() -> None:
    server = Scripted("a", fails=[True])
    fleet = fleet_of(server)

    async def fail_once() -> None:
        await fleet.open()
        with pytest.raises(EngineError, match=r"^a: no luck$"):
            await ask(fleet, "x")
        assert await ask(fleet, "x") == "x answered"
        await fleet.close()

    run(fail_once())
    assert server.asked == 1 and fleet.remarks() == [] and fleet.stats() == {"requests": 2.0}
