"""The pool of workers, with workers that die by a script: no task is lost, none is done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.errors import PhaseError
from restmcts.workers.cluster.pool import KILLS, Pool, Standing, WorkerGoneError, WorkerLostError

CONCURRENCY = 3


@dataclass
class Mortal:
    """A worker that doubles numbers, dies of some of them, and by chance of others.

    Attributes:
        poison: the numbers that it dies of.
        mortality: the share of calls in which it dies for another reason.
        lives: how often it comes back.
        quick: it is back before all that it did is known to be lost.
        deaths: how often it died while it did a number; of those that it dies of, how often it died of them.
        missed: the pool has said that it is lost, and not yet that it is back.
    """

    name: str
    chance: Random
    poison: frozenset[int] = frozenset()
    mortality: float = 0.0
    lives: int = 10**9
    quick: bool = False
    alive: bool = False
    deaths: Counter[int] = field(default_factory=Counter)
    running: set[int] = field(default_factory=set)
    most: int = 0
    incarnation: int = 0
    missed: bool = False

    def do(self, task: int) -> Coroutine[None, None, int]:
        assert not self.missed, f"{self.name} is known to be lost and was asked to do {task}"
        self.running.add(task)
        self.most = max(self.most, len(self.running))
        if not self.alive:
            self.deaths[task] += task not in self.poison
        return self.double(task, self.incarnation if self.alive else -1)

    async def double(self, task: int, mine: int) -> int:
        try:
            for _ in range(self.chance.randrange(4)):
                await asyncio.sleep(0)
                self.check(mine)
            self.check(mine)
            if task in self.poison or self.chance.random() < self.mortality:
                self.die(task)
            self.check(mine)
            return 2 * task
        finally:
            self.running.discard(task)

    def die(self, task: int) -> None:
        self.deaths.update([task] if task in self.poison else self.running)
        self.alive = False
        self.incarnation += 1

    def check(self, mine: int) -> None:
        if self.incarnation != mine:
            raise WorkerLostError("it was killed")

    async def come_back(self) -> None:
        for _ in range(0 if self.quick else self.chance.randrange(5)):
            await asyncio.sleep(0)
        if self.lives == 0:
            raise WorkerGoneError("it has used up its lives")
        self.lives -= self.incarnation > 0
        self.alive = True

    def hear(self, note: str) -> None:
        if note.startswith(f"{self.name} is "):
            self.missed = not note.endswith("back")


def no(task: int, reason: str) -> int:
    """What comes of a task that is given up: no even number."""
    assert "it was killed" in reason
    return -2 * task - 1


def outcome(
    workers: Sequence[Mortal], tasks: int, notes: Callable[[str], None] = lambda _: None
) -> list[int]:
    def note(text: str) -> None:
        notes(text)
        for worker in workers:
            worker.hear(text)

    async def collect() -> list[int]:
        pool = Pool(workers, CONCURRENCY, grace=60, note=note)
        return [result async for result in pool.run(range(tasks), no)]

    return asyncio.run(collect())


def task_of(result: int) -> int:
    return (-result - 1) // 2 if result % 2 else result // 2


SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.integers(1, 4), st.integers(0, 40), st.floats(0, 0.3), st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_task_comes_to_one_end(
    seed: int, count: int, tasks: int, mortality: float, quick: bool
) -> None:
    workers = [Mortal(f"w{n}", Random(seed + n), mortality=mortality, quick=quick) for n in range(count)]
    results = outcome(workers, tasks)
    assert sorted(map(task_of, results)) == list(range(tasks))
    given_up = {task_of(result) for result in results if result % 2}
    deaths = sum((worker.deaths for worker in workers), Counter[int]())
    assert all(deaths[task] >= KILLS for task in given_up)
    assert all(worker.most <= CONCURRENCY for worker in workers)


@given(SEEDS, st.integers(1, 4), st.sets(st.integers(0, 29), max_size=4), st.booleans())
@settings(max_examples=300, deadline=None)
def test_only_the_task_that_kills_is_given_up(seed: int, count: int, poison: set[int], quick: bool) -> None:
    workers = [Mortal(f"w{n}", Random(seed + n), frozenset(poison), quick=quick) for n in range(count)]
    results = outcome(workers, 30)
    assert {task_of(result) for result in results if result % 2} == poison
    assert sorted(map(task_of, results)) == list(range(30))
    deaths = sum((worker.deaths for worker in workers), Counter[int]())
    assert all(deaths[task] <= KILLS for task in poison)


@given(SEEDS, st.integers(0, 3), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_workers_that_are_used_up_end_the_round(seed: int, lives: int, count: int) -> None:
    """What was finished has come out once; then one line says that nobody is left."""
    workers = [Mortal(f"w{n}", Random(seed + n), mortality=0.5, lives=lives) for n in range(count)]
    found: list[int] = []

    async def collect() -> None:
        nonlocal found
        pool = Pool(workers, CONCURRENCY, grace=60, note=lambda _: None)
        async for result in pool.run(range(10_000), no):
            found += [result]

    with pytest.raises(PhaseError, match=f"no worker is left of {count}: see to the cluster"):
        asyncio.run(collect())
    assert len(found) == len(set(found))


def test_one_that_lives_does_all() -> None:
    workers = [
        Mortal("weak", Random(1), mortality=1.0, lives=0),
        Mortal("strong", Random(2)),
    ]
    notes: list[str] = []
    results = outcome(workers, 30, notes.append)
    assert sorted(results) == [2 * task for task in range(30)]
    assert "weak does not come back: it has used up its lives" in notes


def test_a_loss_and_a_return_are_said_once() -> None:
    """With two losses the task is alone; the others are not lost with it."""
    notes: list[str] = []
    worker = Mortal("w", Random(3), frozenset({0}))
    results = outcome([worker], 12, notes.append)
    assert sorted(results) == [-1, *(2 * task for task in range(1, 12))]
    lost = [note for note in notes if "is lost (it was killed)" in note]
    assert len(lost) == KILLS
    assert lost[-1] == "w is lost (it was killed): its search goes to other workers"
    assert notes.count("w is back") == KILLS


def test_tasks_are_taken_as_there_is_room() -> None:
    taken: list[int] = []

    def noted(tasks: Iterable[int]) -> Iterator[int]:
        for task in tasks:
            taken.append(task)
            yield task

    async def first() -> None:
        worker = Mortal("w", Random(4))
        pool = Pool([worker], CONCURRENCY, grace=60, note=lambda _: None)
        results = pool.run(noted(range(1000)), no)
        await anext(results)
        await results.aclose()
        # A round that was left is left by its worker too, and another one can begin.
        assert sorted([result async for result in pool.run(range(5), no)]) == [0, 2, 4, 6, 8]

    asyncio.run(first())
    assert len(taken) <= 2 * CONCURRENCY


def test_how_workers_stand() -> None:
    """One does all, one is lost at its first task and does not come back, one never came."""

    class Hung(Mortal):
        async def come_back(self) -> None:
            await asyncio.Event().wait()

    async def look() -> list[list[Standing]]:
        workers = [
            Mortal("a", Random(1)),
            Mortal("b", Random(2), mortality=1.0, lives=1),
            Hung("c", Random(3)),
        ]
        pool = Pool(workers, CONCURRENCY, grace=60, note=lambda _: None)
        seen = [pool.standings()]
        async with aclosing(pool.run(range(12), no)) as results:
            seen += [pool.standings() async for _ in results]
        return [*seen, pool.standings()]

    first, *between, last = asyncio.run(look())
    assert first == [Standing("starting", 0, 0)] * 3
    assert last == [Standing("working", 0, 12), Standing("gone", 0, 0), Standing("starting", 0, 0)]
    assert any(b.state == "lost" for _, b, _ in between) or any(b.state == "gone" for _, b, _ in between)
    assert [a.done for a, _, _ in between] == list(range(1, 13))
    assert max(a.running for a, _, _ in between) in range(1, CONCURRENCY + 1)


def test_silence_ends_with_the_time_of_grace() -> None:
    class Silent(Mortal):
        async def come_back(self) -> None:
            await asyncio.Event().wait()

    async def collect() -> list[int]:
        workers = [Silent("a", Random(5)), Silent("b", Random(6))]
        pool = Pool(workers, CONCURRENCY, grace=0.05, note=lambda _: None)
        return [result async for result in pool.run(range(3), no)]

    with pytest.raises(PhaseError, match=r"no worker has answered for 0\.05 seconds"):
        asyncio.run(collect())


def test_what_a_task_raises_ends_the_round() -> None:
    class Broken(Mortal):
        async def double(self, task: int, mine: int) -> int:
            if task == 4:
                raise RuntimeError("a defect")
            return await super().double(task, mine)

    with pytest.raises(RuntimeError, match="a defect"):
        outcome([Broken("w", Random(7))], 9)


def test_nothing_to_do_needs_no_worker() -> None:
    assert outcome([Mortal("w", Random(8))], 0) == []
