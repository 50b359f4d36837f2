"""One search under way: answers the requests of its method from a policy and a value model."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from random import Random
from typing import Any, Literal

from restmcts.aggregations import AGGREGATIONS
from restmcts.engines.base import PromptedValue, Sample, SamplingRequest, Tokens, ValueModel
from restmcts.errors import EngineError
from restmcts.search.moves import Moves, Outcome
from restmcts.search.recorder import Recorder
from restmcts.search.registry import METHODS
from restmcts.search.requests import (
    Begin,
    Critique,
    Follow,
    Prefix,
    Propose,
    Reached,
    Request,
    Trace,
    Value,
    Verdict,
)
from restmcts.search.running.beside import Beside, Clock, Group
from restmcts.search.running.ledger import BudgetSpentError, Ledger
from restmcts.search.running.prefixes import Reader, prefix_steps
from restmcts.search.running.task import Engines, SearchTask
from restmcts.seeds import derive_seed
from store.answers import RULES
from store.events import FREE, Cost, Result, SearchRecord, Step, Stopped


class Session:
    """One search under way: its recorder, its ledger and its place in the stream of seeds.

    Moves that run beside it are sessions of their own with a part of all that.
    """

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
        self.seed = task.header.seed
        self.drawn = 0
        self.cut = False
        self.clock = Clock()
        self.beside = Group()
        self.within: Beside | None = None

    async def play(self) -> Outcome:
        """Answer the method's requests until it returns or the budget is spent."""
        run = METHODS[self.task.header.method].run
        outcome: Outcome | None = await self.drive(run(self.recorder, self.task.settings, Random(self.seed)))
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
                reply = await self.reply(request)
            except BudgetSpentError:
                break
            if self.starved(reply):
                break
        moves.close()
        return None

    async def reply(self, request: Request) -> Any:
        match request:
            case Propose():
                return await self.propose(request)
            case Value():
                return await self.value(request.prefixes)
            case Critique():
                return await self.critique(request)
            case Begin():
                return self.beside.begin(self, request)
            case Follow():
                return await self.beside.follow(self)
            case Reached():
                return self.within.reached(request) if self.within else None
        # What a language model generates for values has to be left in the budget after every trace.
        n = 1 if self.grader is not None and self.ledger.budget is not None else request.n
        samples = await self.sample(request.prefix, n, "end")
        return [Trace(sample.steps, Cost(policy=sample.generated)) for sample in samples]

    def branch_off(self, number: int, share: int | None) -> Session:
        """A session for moves that run beside this one, with a ``number`` and a ``share`` of its budget."""
        other = copy(self)
        other.ledger = self.ledger.lend(share)
        other.values = dict(self.values)
        other.seed = derive_seed(self.seed, "beside", number)
        other.drawn, other.cut = 0, False
        other.beside = Group()
        other.clock = Clock(self.clock.now)
        return other

    def enough(self, samples: int | None) -> int:
        """How many tokens are likely to be enough for moves that sample so many steps."""
        sampling = self.engines.sampling
        if samples is None or self.prompted:
            return self.ledger.enough(1, "moves", sampling.trace_tokens)
        return self.ledger.enough(samples, "step", sampling.step_tokens)

    @property
    def prompted(self) -> bool:
        """Whether language models judge, which takes tokens too."""
        return self.grader is not None or self.recorder.cost.critic > 0

    async def propose(self, request: Propose) -> list[Step | None]:
        samples = await self.sample(request.prefix, request.n, "step", request.advice)
        self.recorder.spend(Cost(policy=sum(sample.generated for sample in samples)))
        earlier = self.earlier(request.prefix)
        return [self.clean(sample, earlier) for sample in samples]

    def starved(self, reply: Any) -> bool:
        """Is a reply empty because the budget is spent?

        Only a request for samples can come back empty: the ledger grants none any more, or it cut them short.
        What is left then pays for no step, and says nothing about the text.
        """
        return reply == [] and (self.ledger.exhausted or self.cut)

    async def sample(
        self,
        prefix: Prefix,
        n: int,
        until: Literal["step", "end"],
        advice: str | None = None,
    ) -> list[Sample]:
        """Draw ``n`` continuations; samples that the budget cut short are paid for and dropped.

        As many of them share what is left of the budget as it is likely to pay for.
        """
        sampling = self.engines.sampling
        steps = prefix_steps(self.recorder.tree, prefix)
        prompt = self.policy.read(steps, advice)
        room = min(self.room(steps), self.engines.policy.context - len(prompt))
        limit = min(sampling.step_tokens if until == "step" else sampling.trace_tokens, room)
        kept: list[Sample] = []
        if limit <= 0:
            return kept
        if self.within is not None:
            likely, enough = n * self.ledger.likely(until, limit), self.ledger.enough(n, until, limit)
            await self.within.need(likely, enough)
        for part in self.ledger.grants(n, until, limit):
            samples = await self.engines.policy.propose(
                SamplingRequest(
                    prompt,
                    seeds=[self.next_seed() for _ in range(part)],
                    max_tokens=limit,
                    until=until,
                    temperature=0.0 if self.greedy else sampling.temperature,
                    top_p=sampling.top_p,
                    total_tokens=self.ledger.left,
                )
            )
            self.ledger.spent += sum(sample.generated for sample in samples)
            self.clock.advance(max((sample.generated for sample in samples), default=0))
            if self.within is not None:
                self.within.moved()
            read = samples[0].prompt if samples else None
            self.recorder.spend(Cost(prompt=len(prompt) if read is None else read, calls=1))
            for sample in samples:
                self.cut = self.cut or sample.cut
                if not sample.cut:
                    self.ledger.count(until, sample.generated)
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
        most = len(prompts) * self.grader.most_tokens
        if self.within is not None:
            await self.within.need(most, most)
        self.ledger.reserve(most)
        grades = await self.grader.grade(prompts)
        generated, read = sum(grade.generated for grade in grades), sum(grade.read for grade in grades)
        self.ledger.spent += generated
        self.recorder.spend(Cost(critic=generated, value=read, calls=sum(grade.calls for grade in grades)))
        return [grade.value for grade in grades]

    async def critique(self, request: Critique) -> Verdict:
        """The critic's verdict; by rule where the method has decided already."""
        steps = prefix_steps(self.recorder.tree, request.prefix)
        if request.declared:
            return self.engines.critic.declared(self.task.problem, steps)
        verdict = await self.engines.critic.judge(self.task.problem, steps, self.ledger.left)
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

    def next_seed(self) -> int:
        """The seed of the next sample: it depends on this search alone, not on what runs beside it."""
        self.drawn += 1
        return (self.seed * 1_000_003 + self.drawn) & (2**63 - 1)

    def answer(self, outcome: Outcome) -> Stopped:
        """The last event: the answer of the node that the method chose, or by its answer rule."""
        tree = self.recorder.tree
        if outcome.node is not None:
            return Stopped(outcome.reason, outcome.node, tree.nodes[outcome.node].answer)
        found = RULES[self.task.header.answer_by].run(tree)
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
