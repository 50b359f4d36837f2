"""Runs searches: answers the requests of the methods from a policy and a value model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random
from typing import Any, Literal, TypeVar

from restmcts.aggregations import AGGREGATIONS, Aggregation
from restmcts.engines.base import Critic, Policy, PromptedValue, Sample, Sampling, Tokens, ValueModel
from restmcts.errors import EngineError, InputError
from restmcts.problems.base import Problem
from restmcts.problems.verdicts import declared_finished
from restmcts.search.ledger import BudgetSpentError, Ledger, Lengths
from restmcts.search.methods import METHODS
from restmcts.search.moves import Outcome
from restmcts.search.prefixes import Reader, prefix_steps
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Critique, Prefix, Proposals, Propose, Request, Trace, Value, Verdict
from restmcts.search.settings import Method
from store.answers import RULES
from store.trace import FREE, Cost, Header, Result, SearchRecord, Step, Stopped, Verified
from store.tree import fold

Reply = TypeVar("Reply")

Grade = Callable[[Problem, Sequence[str]], list[bool]]
"""Compares answers with the oracle answer of a problem."""


@dataclass(frozen=True, slots=True)
class SearchTask:
    """One search to run: ``header`` says which, ``settings`` belong to its method.

    Raises:
        InputError: nothing would ever end the search.
    """

    header: Header
    problem: Problem
    settings: Method

    def __post_init__(self) -> None:
        if self.settings.endless and self.header.budget is None:
            raise InputError(
                f"method {self.header.method!r} with these settings ends only by a token budget: give one"
            )


@dataclass(frozen=True, slots=True)
class Engines:
    """What answers the requests.

    ``value`` may be None for methods that ask for no values. ``aggregation`` says how the value of a partial
    solution follows from what the value model says at the end of each of its steps.
    """

    policy: Policy
    value: ValueModel | None
    critic: Critic
    sampling: Sampling
    drop_repeats: bool = True
    aggregation: Aggregation = "last"


async def run_search(task: SearchTask, engines: Engines) -> SearchRecord:
    """Run one search to its end, within its budget.

    A failure of an engine ends this search with the reason ``failed``; it is recorded, not raised.
    """
    started = time.perf_counter()
    session = Session(task, engines)
    try:
        outcome = await session.play()
        stopped = session.answer(outcome)
    except EngineError as error:
        stopped = Stopped("failed", message=str(error))
    session.finish(stopped)
    return session.record(time.perf_counter() - started)


async def run_searches(
    tasks: Iterable[SearchTask], engines: Engines, concurrency: int, grade: Grade | None = None
) -> AsyncGenerator[SearchRecord]:
    """Run searches side by side, ``concurrency`` at a time; yields each as it ends.

    With ``grade``, records come verified. It runs in threads, so that grading one search holds no other up.
    """

    async def run(task: SearchTask) -> SearchRecord:
        record = await run_search(task, engines)
        return record if grade is None else await asyncio.to_thread(verified, record, task.problem, grade)

    waiting = iter(tasks)
    running: set[asyncio.Task[SearchRecord]] = set()
    try:
        while True:
            for task in waiting:
                running.add(asyncio.ensure_future(run(task)))
                if len(running) >= concurrency:
                    break
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                yield finished.result()
    finally:
        for unfinished in running:
            unfinished.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def verified(record: SearchRecord, problem: Problem, grade: Grade) -> SearchRecord:
    """The record with a verdict on every finished node and on the answer, graded by the oracle answer.

    A record whose problem has no oracle answer comes back unchanged.
    """
    if problem.answer is None:
        return record
    nodes = fold(record.events).finished()
    distinct = sorted({node.answer for node in nodes if node.answer is not None})
    if record.result.answer is not None and record.result.answer not in distinct:
        distinct.append(record.result.answer)
    verdicts = dict(zip(distinct, grade(problem, distinct), strict=True))
    correct = tuple(verdicts.get(node.answer or "", False) for node in nodes)
    event = Verified(tuple(node.id for node in nodes), correct)
    result = replace(record.result, correct=verdicts.get(record.result.answer or "", False))
    return replace(record, events=(*record.events, event), result=result)


async def all_of(work: Iterable[Coroutine[Any, Any, Reply]]) -> list[Reply]:
    """All results in order; where one of them fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Session:
    """One search under way: its recorder, its ledger and its place in the stream of seeds."""

    def __init__(self, task: SearchTask, engines: Engines) -> None:
        self.task = task
        self.engines = engines
        self.recorder = Recorder()
        self.ledger = Ledger(task.header.budget)
        self.greedy = task.header.method == "greedy"
        self.policy = Reader(engines.policy, task.problem.text)
        self.grader = engines.value if isinstance(engines.value, PromptedValue) else None
        self.judge = None if engines.value is None else Reader(engines.value, task.problem.text)
        self.values: dict[int, float] = {}
        self.lengths = {"step": Lengths(), "end": Lengths()}
        self.drawn = 0
        self.cut = False

    async def play(self) -> Outcome:
        """Answer the method's requests until it returns or the budget is spent."""
        header = self.task.header
        run = METHODS[header.method].run
        moves: Generator[Request, Any, Outcome] = run(self.recorder, self.task.settings, Random(header.seed))
        reply: Any = None
        while True:
            try:
                request = moves.send(reply)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            try:
                reply = await self.reply(request)
            except BudgetSpentError:
                moves.close()
                return Outcome("budget")
            if self.starved(reply):
                moves.close()
                return Outcome("budget")

    async def reply(self, request: Request) -> Any:
        if isinstance(request, Critique):
            return await self.critique(request)
        if isinstance(request, Value):
            return await self.value(request.prefixes)
        if isinstance(request, Propose):
            return await self.propose(request)
        if isinstance(request, Proposals):
            return await self.propose_all(request.requests)
        # What a language model generates for values has to be left in the budget after every trace.
        n = 1 if self.grader is not None and self.ledger.budget is not None else request.n
        samples = await self.sample(request.prefix, n, "end")
        return [Trace(sample.steps, Cost(policy=sample.generated)) for sample in samples]

    async def propose(self, request: Propose, share: int | None = None) -> list[Step | None]:
        """Next steps; ``share``: what they may take of the budget, which is enough to draw them at once."""
        samples = await self.sample(request.prefix, request.n, "step", request.advice, share)
        self.recorder.spend(Cost(policy=sum(sample.generated for sample in samples)))
        earlier = self.earlier(request.prefix)
        return [self.clean(sample, earlier) for sample in samples]

    async def propose_all(self, requests: Sequence[Propose]) -> list[list[Step | None] | None]:
        """Next steps after several partial solutions, at once as far as the budget is likely to pay for them.

        Nothing comes back where it pays for none of them any more.
        """
        replies: list[list[Step | None] | None] = []
        while len(replies) < len(requests):
            waiting = requests[len(replies) :]
            group = waiting[: self.affordable([request.n for request in waiting])]
            shares: list[int | None] = [None] * len(group)
            if (left := self.ledger.left) is not None and len(group) > 1:
                wanted = sum(request.n for request in group)
                shares = [left * request.n // wanted for request in group]
            drawn = await all_of(map(self.propose, group, shares))
            replies += [None if self.starved(reply) else reply for reply in drawn]
        return replies if any(reply is not None for reply in replies) else []

    def affordable(self, samples: Sequence[int]) -> int:
        """How many of these requests for samples to make at once: as many as are likely to be paid for."""
        if self.ledger.left is None:
            return len(samples)
        likely = self.lengths["step"].likely(self.engines.sampling.step_tokens)
        return max(1, sum(total * likely <= self.ledger.left for total in accumulate(samples)))

    def starved(self, reply: Any) -> bool:
        """Is a reply empty because the budget is spent?

        Only a request for samples can come back empty: the ledger grants none any more, or it cut them short.
        What is left then pays for no step, and says nothing about the text.
        """
        return not reply and (self.ledger.exhausted or self.cut)

    async def sample(
        self,
        prefix: Prefix,
        n: int,
        until: Literal["step", "end"],
        advice: str | None = None,
        share: int | None = None,
    ) -> list[Sample]:
        """Draw ``n`` continuations; samples that the budget cut short are paid for and dropped.

        As many of them share what is left of the budget as it is likely to pay for; with a ``share``, all.
        """
        sampling = self.engines.sampling
        steps = prefix_steps(self.recorder.tree, prefix)
        prompt = self.policy.read(steps, advice)
        room = min(self.room(steps), self.engines.policy.context - len(prompt))
        limit = min(sampling.step_tokens if until == "step" else sampling.trace_tokens, room)
        kept: list[Sample] = []
        if limit <= 0:
            return kept
        lengths = self.lengths[until]
        for part in self.ledger.grants(n, lengths, limit) if share is None else (n,):
            samples = await self.engines.policy.propose(
                prompt,
                seeds=[self.seed() for _ in range(part)],
                max_tokens=limit,
                until=until,
                temperature=0.0 if self.greedy else sampling.temperature,
                top_p=sampling.top_p,
                together=self.ledger.left if share is None else share,
            )
            self.ledger.spent += sum(sample.generated for sample in samples)
            read = samples[0].prompt if samples else None
            self.recorder.spend(Cost(prompt=len(prompt) if read is None else read, calls=1))
            for sample in samples:
                self.cut = self.cut or sample.cut
                if not sample.cut:
                    lengths.add(sample.generated)
                    kept.append(sample)
        return kept

    def room(self, steps: Sequence[Step]) -> int:
        """How many tokens may follow ``steps`` before one of the models can read no more."""
        readers = [self.policy] if self.judge is None else [self.policy, self.judge]
        return min(reader.room(steps) for reader in readers)

    async def value(self, prefixes: Sequence[Prefix]) -> list[float]:
        """Score partial solutions; one that was scored before in this search costs nothing."""
        if self.judge is None or self.engines.value is None:
            raise EngineError("this method needs a value model: give one with --value")
        whole_path = self.engines.aggregation != "last"
        unknown: dict[int, Tokens] = {}
        wanted: list[list[int]] = []
        for prefix in prefixes:
            steps = prefix_steps(self.recorder.tree, prefix)
            numbers = self.judge.number(steps)
            wanted.append(numbers if whole_path else numbers[-1:])
            if self.values.keys() >= set(wanted[-1]):
                continue
            prompts = self.judge.read_each(steps) if whole_path else [self.judge.read(steps)]
            pairs = zip(wanted[-1], prompts, strict=True)
            unknown.update(pair for pair in pairs if pair[0] not in self.values)
        if unknown:
            scores = await self.score(self.engines.value, list(unknown.values()))
            self.values.update(zip(unknown, scores, strict=True))
        combine = AGGREGATIONS[self.engines.aggregation]
        return [combine([self.values[number] for number in numbers]) for numbers in wanted]

    async def score(self, model: ValueModel, prompts: Sequence[Tokens]) -> list[float]:
        """Values from the value model; what it generates is paid for.

        Raises:
            BudgetSpentError: what is left of the budget may not be enough.
        """
        if self.grader is None:
            scores = await model.score(prompts)
            self.recorder.spend(Cost(value=sum(map(len, prompts)), calls=1))
            return scores
        self.ledger.reserve(len(prompts) * self.grader.most_tokens)
        grades = await self.grader.grade(prompts)
        generated, read = sum(grade.generated for grade in grades), sum(grade.read for grade in grades)
        self.ledger.spent += generated
        self.recorder.spend(Cost(critic=generated, value=read, calls=sum(grade.calls for grade in grades)))
        return [grade.value for grade in grades]

    async def critique(self, request: Critique) -> Verdict:
        """The critic's verdict; by rule where the method has decided already."""
        steps = prefix_steps(self.recorder.tree, request.prefix)
        if request.declared:
            return declared_finished(steps)
        verdict = await self.engines.critic.judge(self.task.problem.text, steps, self.ledger.left)
        if verdict.cost is not FREE:
            self.ledger.spent += verdict.cost.generated
            self.recorder.spend(verdict.cost)
        return verdict

    def clean(self, sample: Sample, earlier: set[str]) -> Step | None:
        """The step of a sample; None where it is empty or, if those are dropped, a repeat."""
        step = sample.steps[0] if sample.steps else None
        if step is None or not step.text.strip() or step.text.strip() in earlier:
            return None
        return step

    def earlier(self, prefix: Prefix) -> set[str]:
        if not self.engines.drop_repeats:
            return set()
        return {step.text.strip() for step in prefix_steps(self.recorder.tree, prefix)}

    def seed(self) -> int:
        """The seed of the next sample: it depends on this search alone, not on what runs beside it."""
        self.drawn += 1
        return (self.task.header.seed * 1_000_003 + self.drawn) & (2**63 - 1)

    def answer(self, outcome: Outcome) -> Stopped:
        """The last event: the answer of the node that the method chose, or by its answer rule."""
        tree = self.recorder.tree
        if outcome.node is not None:
            return Stopped(outcome.reason, outcome.node, tree.nodes[outcome.node].answer)
        found = RULES[self.task.header.answer_by](tree)
        if found is None:
            return Stopped(outcome.reason)
        return Stopped(outcome.reason, node=found[1], answer=found[0])

    def finish(self, stopped: Stopped) -> None:
        """Emit the last event, with what was generated and is on no event yet.

        That is what the budget cut short, or what came before an engine failed.
        """
        lost = self.ledger.spent - self.recorder.cost.generated
        if lost:
            self.recorder.spend(Cost(policy=lost))
        self.recorder.emit(stopped)

    def record(self, seconds: float) -> SearchRecord:
        tree = self.recorder.tree
        assert tree.stopped is not None
        result = Result(
            answer=tree.stopped.answer,
            correct=None,
            reason=tree.stopped.reason,
            cost=tree.cost,
            nodes=len(tree.nodes),
            finished=len(tree.finished()),
            seconds=round(seconds, 3),
        )
        return SearchRecord(self.task.header, tuple(self.recorder.events), result)
