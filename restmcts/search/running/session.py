"""A running search: answers the requests of its method from a policy and a value model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random
from typing import Any, Literal

from restmcts.aggregations import AGGREGATIONS
from restmcts.engines.base import (
    GRADE_CALLS,
    PromptedValue,
    Sample,
    SamplingRequest,
    Tokens,
    ValueModel,
    check_grades,
    check_samples,
    check_values,
)
from restmcts.errors import EngineError
from restmcts.prompts import before_next_example, with_examples
from restmcts.search.branch import Branch
from restmcts.search.moves import Moves, Outcome
from restmcts.search.recorder import Recorder
from restmcts.search.registry import METHODS, needs_value
from restmcts.search.requests import (
    AskBudget,
    BudgetLeft,
    Complete,
    Critique,
    Join,
    Prefix,
    Propose,
    ProposeEach,
    Request,
    Start,
    Trace,
    Value,
    Verdict,
)
from restmcts.search.running.caps import Caps
from restmcts.search.running.jobs import Job, Jobs, all_of
from restmcts.search.running.ledger import BudgetSpentError, Kind, Ledger
from restmcts.search.running.prefixes import Reader, prefix_steps
from restmcts.search.running.revaluing import paid_before, value_again
from restmcts.search.running.task import Engines, SearchTask
from restmcts.search.sure import until_sure
from restmcts.seeds import derive_seed
from store.events import FREE, Cost, SearchRecord, Step, Stopped


class Session:
    """A running search: its recorder, its ledger and its place in the stream of seeds.

    Each of its jobs is a session too, with a recorder, a ledger and a stream of seeds of its own.
    """

    def __init__(self, task: SearchTask, engines: Engines) -> None:
        self.task = task.with_constants(engines.conditions)
        self.engines = engines
        self.recorder = Recorder()
        self.ledger = Ledger(task.budget)
        self.caps = Caps(task.limits, engines)
        self.policy = Reader(engines.policy, with_examples(task.problem.text, task.problem.examples))
        self.grader = engines.value if isinstance(engines.value, PromptedValue) else None
        self.sampling = engines.sampling
        if task.temperature is not None:
            self.sampling = replace(engines.sampling, temperature=task.temperature)
        self.judge = None if engines.value is None else Reader(engines.value, task.problem.text)
        self.values: dict[int, float] = {}
        self.seed = task.seed
        self.drawn = 0
        self.started = 0
        self.cut = False
        self.jobs = Jobs()

    async def play(self) -> Outcome:
        """Answer the method's requests until it returns or the budget is spent."""
        task = self.task
        if task.stored is None:
            moves = METHODS[task.method].run(self.recorder, task.settings, Random(self.seed))
            if task.settings.confidence_gate is not None:
                moves = until_sure(self.recorder, task.settings, moves)
        else:
            self.ledger.spent = paid_before(task)
            moves = value_again(self.recorder, task)
        outcome: Outcome | None = await self.drive(moves)
        return outcome or Outcome("budget")

    async def drive(self, moves: Moves) -> Any:
        """What ``moves`` return; None if the budget is spent before that."""
        reply: Any = None
        while True:
            try:
                request = moves.send(reply)
            except StopIteration as end:
                return end.value
            try:
                self.caps.check_time()
                reply = await self.reply(request)
            except BudgetSpentError:
                break
            if self.starved(request, reply):
                break
        moves.close()
        return None

    async def reply(self, request: Request) -> Any:
        match request:
            case Propose():
                (steps,) = await self.propose((request,))
                return steps
            case ProposeEach():
                return await self.propose(request.proposals)
            case Complete():
                return await self.complete(request)
            case Value():
                return await self.value(request.prefixes)
            case Critique():
                return await self.critique(request)
            case Start():
                return await self.start(request)
            case Join():
                return await self.join()
            case AskBudget():
                return BudgetLeft(self.ledger.left, self.sampling.trace_tokens)

    def starved(self, request: Request, reply: Any) -> bool:
        """Whether a reply has no samples because the budget is spent.

        Only a request for samples can come back empty: the ledger grants none any more, or it cut them short.
        What is left then pays for no step, and says nothing about the text.
        """
        empty = reply == [] or (isinstance(request, ProposeEach) and not any(reply))
        return empty and (self.ledger.exhausted or self.cut or self.caps.reached)

    async def start(self, request: Start) -> bool:
        """Start a job, if the budget probably pays for it.

        Under exact limits it is made at once, so that what is left for it does not depend on what runs at the
        same time.

        Raises:
            BudgetSpentError: no job runs, and nothing is left for one.
        """
        longest, alone = self.engines.sampling.step_tokens, not self.jobs
        expected = self.ledger.job_tokens(request.samples, longest, self.prompted)
        ledger = self.ledger.lend_to_job(expected, alone)
        if ledger is None:
            return False
        branch = Branch(self.recorder.tree, request.node)
        session = self.branch_off(branch.recorder, ledger)
        start = branch.recorder.tree.nodes[branch.start]
        moves = request.run(branch.recorder, start, Random(derive_seed(session.seed, "ties")))
        task = asyncio.create_task(session.work(moves))
        self.jobs.add(Job(branch, ledger, session.values, alone and self.ledger.exhausted, task))
        if self.caps.exact:
            await asyncio.wait([task])
        return True

    async def work(self, moves: Moves) -> Any:
        """What the ``moves`` of a job return; stop the jobs that it has started and not joined."""
        try:
            return await self.drive(moves)
        finally:
            await self.close()

    def branch_off(self, recorder: Recorder, ledger: Ledger) -> Session:
        """The session of a job, with seeds of its own."""
        self.started += 1
        session = copy(self)
        session.recorder, session.ledger, session.values = recorder, ledger, dict(self.values)
        session.seed = derive_seed(self.seed, "job", self.started)
        session.drawn, session.started, session.cut, session.jobs = 0, 0, False, Jobs()
        return session

    async def join(self) -> int | None:
        """Let the oldest job join; return the node that it returned, or None where its share ended it.

        Raises:
            EngineError: an engine failed in any job.
            BudgetSpentError: the job had all that was left, and it was not enough; or it reached a limit.
        """
        job = await self.jobs.oldest()
        self.ledger.take_back(job.ledger)
        self.ledger.count("job", job.ledger.spent)
        self.values.update(job.values)
        node = job.branch.join(self.recorder, job.task.result())
        if node is None and (job.last or self.caps.reached):
            raise BudgetSpentError
        return node

    async def close(self) -> None:
        """Stop all jobs that run, and account for what they took."""
        for job in await self.jobs.close():
            self.ledger.take_back(job.ledger)
            self.recorder.spend(job.branch.recorder.cost)

    @property
    def prompted(self) -> bool:
        """Whether language models judge, which takes tokens too."""
        return self.grader is not None or self.recorder.cost.critic > 0

    async def propose(self, proposals: Sequence[Propose]) -> list[list[Step | None]]:
        """Draw next steps for all proposals concurrently, as far as the budget probably pays for them.

        Those that it might not pay for follow, in order.
        """
        replies: list[list[Step | None]] = []
        while len(replies) < len(proposals):
            rest = proposals[len(replies) :]
            longest = self.engines.sampling.step_tokens
            shares = self.ledger.shares([proposal.n for proposal in rest], "step", longest)
            drawn = await self.draw(rest[: len(shares)], shares)
            # What was cut short says that the budget is spent only where it was all there was.
            self.cut = self.cut or (len(shares) == 1 and any(sample.cut for sample in drawn[0]))
            for proposal, samples in zip(rest, drawn, strict=False):
                earlier = self.earlier(proposal.prefix)
                replies.append([self.clean(sample, earlier) for sample in samples if not sample.cut])
        return replies

    async def draw(self, proposals: Sequence[Propose], shares: Sequence[int | None]) -> list[list[Sample]]:
        """Draw the samples of several proposals concurrently; each may take its share of the budget."""
        seeds = [iter([self.next_seed() for _ in range(proposal.n)]) for proposal in proposals]
        if len(proposals) == 1:
            # Most requests are alone: a task and a ledger of its own would cost more than the rest.
            drawn = [await self.sample(proposals[0], self.ledger, seeds[0])]
        else:
            ledgers = [self.ledger.lend(share) for share in shares]
            try:
                work = list(map(self.sample, proposals, ledgers, seeds))
                drawn = await all_of(work, one_by_one=self.caps.exact)
            finally:
                for ledger in ledgers:
                    self.ledger.take_back(ledger)
        whole = (sample.generated for samples in drawn for sample in samples if not sample.cut)
        self.recorder.spend(Cost(policy=sum(whole)))
        return drawn

    async def complete(self, request: Complete) -> list[Trace]:
        """Draw whole traces; after each, what its values take has to be left where that is limited."""
        generated = self.grader is not None and self.ledger.budget is not None
        if generated or (self.caps.valued and needs_value(self.task.method, self.task.settings)):
            request = replace(request, n=1)
        samples = await self.sample(request, self.ledger, iter(self.next_seed, None))
        self.cut = self.cut or any(sample.cut for sample in samples)
        whole = [sample for sample in samples if not sample.cut]
        ended = before_next_example if self.task.problem.examples else tuple
        return [Trace(ended(sample.steps), Cost(policy=sample.generated)) for sample in whole]

    async def sample(self, request: Propose | Complete, ledger: Ledger, seeds: Iterator[int]) -> list[Sample]:
        """Draw continuations; those that the budget of ``ledger`` cut short are paid for and marked.

        As many of them share what is left of the budget as it is likely to pay for.
        """
        sampling = self.sampling
        until: Literal["step", "end"] = "step" if isinstance(request, Propose) else "end"
        steps = prefix_steps(self.recorder.tree, request.prefix)
        prompt = self.policy.read(steps, request.advice if isinstance(request, Propose) else None)
        room = min(self.room(steps), self.engines.policy.context - len(prompt))
        limit = min(sampling.step_tokens if until == "step" else sampling.trace_tokens, room)
        drawn: list[Sample] = []
        if limit <= 0:
            return drawn
        for part, most in ledger.grants(request.n, until, limit, partial(self.caps.tokens, len(prompt))):
            limited = most != ledger.left
            samples = await self.engines.policy.propose(
                SamplingRequest(
                    prompt,
                    seeds=list(islice(seeds, part)),
                    max_tokens=limit,
                    until=until,
                    temperature=sampling.temperature if request.temperature is None else request.temperature,
                    top_p=sampling.top_p if request.top_p is None else request.top_p,
                    total_tokens=most,
                )
            )
            check_samples(samples, self.engines.policy.name)
            self.account(ledger, samples, len(prompt), until)
            self.caps.reached = self.caps.reached or (limited and any(sample.cut for sample in samples))
            drawn += samples
        return drawn

    def account(self, ledger: Ledger, samples: Sequence[Sample], prompt: int, until: Kind) -> None:
        """Count what a request for samples took; the event of each sample says what itself took."""
        generated = sum(sample.generated for sample in samples)
        read = samples[0].prompt if samples else None
        asked = Cost(prompt=prompt if read is None else read, calls=1)
        ledger.spent += generated
        self.recorder.spend(asked)
        self.caps.book(asked + Cost(policy=generated))
        for sample in samples:
            if not sample.cut:
                ledger.count(until, sample.generated)

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
            BudgetSpentError: what is left of the budget, or of a limit, may not be enough.
        """
        if self.grader is None:
            cost = Cost(value=sum(map(len, prompts)), calls=1)
            self.caps.reserve(cost)
            scores = await model.score(prompts)
            check_values(scores, model.name)
            self.spend(cost)
            return scores
        self.caps.reserve(Cost(calls=len(prompts) * GRADE_CALLS))
        self.ledger.reserve(len(prompts) * self.grader.most_tokens)
        grades = await self.grader.grade(prompts)
        check_grades(grades, model.name)
        generated, read = sum(grade.generated for grade in grades), sum(grade.read for grade in grades)
        self.spend(Cost(critic=generated, value=read, calls=sum(grade.calls for grade in grades)))
        return [grade.value for grade in grades]

    def spend(self, cost: Cost) -> None:
        """Count what was taken, and keep it for the next event."""
        self.ledger.spent += cost.generated
        self.recorder.spend(cost)
        self.caps.book(cost)

    async def critique(self, request: Critique) -> Verdict:
        """The critic's verdict; by rule where the method has decided already."""
        steps = prefix_steps(self.recorder.tree, request.prefix)
        if request.declared:
            return self.engines.critic.declared(self.task.problem, steps)
        # Nothing is known of a question before it is asked, but that the model can read it with its reply.
        worst = Cost(critic=self.engines.policy.context, calls=1)
        most = self.ledger.left if self.caps.fits(worst) else 0
        verdict = await self.engines.critic.judge(self.task.problem, steps, most)
        if verdict.cost is not FREE:
            self.spend(verdict.cost)
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

    def next_seed(self) -> int:
        """The seed of the next sample: it depends on this search alone, not on other searches."""
        self.drawn += 1
        return (self.seed * 1_000_003 + self.drawn) & (2**63 - 1)

    def finish(self, stopped: Stopped) -> None:
        """Emit the last event, with what was generated and is on no event yet.

        That is what the budget cut short, or what came before an engine failed.
        """
        lost = self.ledger.spent - self.recorder.cost.generated
        if lost:
            self.recorder.spend(Cost(policy=lost))
        self.recorder.emit(stopped)

    def record(self, seconds: float) -> SearchRecord:
        """The record of a search that has ended."""
        return self.task.record(self.engines.conditions, self.recorder, seconds)
