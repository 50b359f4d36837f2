"""The driver: requests, costs, failures, and searches side by side."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from functools import reduce
from math import prod
from operator import add
from statistics import fmean
from typing import Any

import pytest

from restmcts.aggregations import Aggregation
from restmcts.engines.base import Sample, Sampling, SamplingRequest, Tokens
from restmcts.errors import EngineError, InputError
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import BestOfN, SelfConsistency
from restmcts.search.registry import METHODS
from restmcts.search.running.driver import run_searches
from store.events import FREE, Cost, SearchRecord, Step, Stopped
from store.tree import fold
from tests.search.search_engines import LIMITED, PROMPT, Gate, Judge, Writer, engines, run, run_many, task


@pytest.mark.parametrize("method", METHODS)
def test_every_method_ends_here_without_a_budget(method: str) -> None:
    assert not LIMITED[method].endless


@pytest.mark.parametrize("method", METHODS)
def test_costs_add_up_to_what_the_engines_counted(method: str) -> None:
    policy, judge = Writer(empty=0.1), Judge()
    record = run(task(method, LIMITED[method]), engines(policy, judge))
    total = reduce(add, (event.cost for event in record.events), FREE)
    assert total == record.result.cost
    assert total == Cost(
        policy=policy.generated,
        prompt=sum(len(call.prompt) for call in policy.calls),
        value=sum(map(len, judge.scored)),
        calls=len(policy.calls) + judge.calls,
    )
    assert record.result.nodes == len(fold(record.events).nodes)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_scored_twice_in_a_search(method: str) -> None:
    judge = Judge()
    run(task(method, LIMITED[method]), engines(Writer(variety=2), judge))
    assert max(Counter(judge.scored).values(), default=1) == 1


def test_steps_of_rollouts_are_not_scored_again_when_they_join_the_tree() -> None:
    """One possible step at each depth: rollouts score depth 2, then the expansion reaches it again."""
    judge = Judge(highest=0.5)
    settings = Mcts(branch=2, rounds=4, rollout_steps=1)
    record = run(task("mcts", settings), engines(Writer(variety=1, depth=9), judge))
    assert record.result.nodes > 3
    assert max(Counter(judge.scored).values()) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [None, 150])
def test_a_record_depends_on_its_seed_alone(method: str, budget: int | None) -> None:
    tasks = [
        task(method, LIMITED[method], budget=budget, seed=number % 5, number=number, text=f"q{number % 3}")
        for number in range(20)
    ]
    alone = run_many(tasks, engines(), 1)
    assert [record.header.id for record in alone] == [wanted.id for wanted in tasks]
    for concurrency in (7, 64):
        gate = Gate(concurrency)
        used = engines(Writer(gate=gate), Judge(gate=gate))
        assert run_many(tasks, used, concurrency) == alone


def test_other_seeds_make_other_searches() -> None:
    first, second = (run(task("mcts", Mcts(rounds=5), seed=seed), engines()) for seed in (1, 2))
    assert first.events != second.events


def test_no_two_samples_of_a_search_have_the_same_seed() -> None:
    policy = Writer(variety=9)
    run(task("mcts", Mcts(rounds=20, early_stop=False)), engines(policy))
    seeds = [seed for call in policy.calls for seed in call.seeds]
    assert len(seeds) == len(set(seeds)) > 50
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_no_more_searches_than_wanted_run_at_once() -> None:
    running, most = 0, 0

    class Counted(Writer):
        async def propose(self, request: SamplingRequest) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return await super().propose(request)
            finally:
                running -= 1

    tasks = [task("greedy", number=number) for number in range(20)]
    assert len(run_many(tasks, engines(Counted(gate=Gate(1))), 7)) == 20
    assert most == 7


def test_tasks_are_taken_when_there_is_room_for_them() -> None:
    taken: list[int] = []

    def tasks() -> Any:
        for number in range(10):
            taken.append(number)
            yield task("greedy", number=number)

    async def first() -> None:
        searches = run_searches(tasks(), engines(), 3)
        await anext(searches)
        assert len(taken) == 3
        await searches.aclose()

    asyncio.run(first())


# Failures


@pytest.mark.parametrize("fail_at", [1, 3])
def test_a_policy_that_fails_ends_its_search_with_the_message(fail_at: int) -> None:
    policy = Writer(fail_at=fail_at)
    record = run(task("mcts", Mcts()), engines(policy))
    last = record.events[-1]
    assert isinstance(last, Stopped)
    assert (last.reason, last.message) == ("failed", "writer: out of ink")
    assert record.result.reason == "failed" and record.result.answer is None
    assert record.result.cost.policy == policy.generated
    assert (record.result.cost.policy > 0) == (fail_at > 1)


def test_what_was_generated_before_a_failure_in_one_request_is_counted() -> None:
    """A budget of 31 tokens splits five traces of up to 30 into parts; a later part fails."""
    policy = Writer(fail_at=2)
    record = run(task("self-consistency", SelfConsistency(samples=5), budget=31), engines(policy))
    assert record.result.reason == "failed"
    assert record.result.cost.policy == policy.generated > 0


def test_a_value_model_that_fails_leaves_other_searches_alone() -> None:
    judge = Judge(fail_at=4)
    tasks = [task("best-of-n", BestOfN(samples=3, early_stop=False), number=0), task("greedy", number=1)]
    failed, fine = run_many(tasks, engines(Writer(), judge), 2)
    assert failed.result.reason == "answered" or failed.result.reason == "samples"
    judge = Judge(fail_at=2)
    failed, fine = run_many(tasks, engines(Writer(), judge), 2)
    assert (failed.result.reason, fine.result.reason) == ("failed", "answered")


def test_a_method_that_needs_a_value_model_says_so() -> None:
    record = run(task("mcts"), engines(value=False))
    assert record.result.reason == "failed"
    assert "--value" in str(record.events[-1])


@pytest.mark.parametrize("method", ["greedy", "self-consistency"])
def test_a_method_without_values_runs_without_a_value_model(method: str) -> None:
    record = run(task(method, LIMITED[method]), engines(value=False))
    assert record.result.reason in {"answered", "samples"}
    assert record.result.answer is not None
    assert record.result.cost.value == 0


def test_a_defect_of_an_engine_is_not_taken_for_a_failed_search() -> None:
    class Broken(Writer):
        async def propose(self, request: SamplingRequest) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_many([task("greedy")], engines(Broken()), 2)


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_nothing_runs_on_after_the_end(end: str) -> None:
    async def check() -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        class Slow(Writer):
            async def propose(self, request: SamplingRequest) -> Any:
                if request.prompt[-1] != 3000 + ord("f"):
                    await never
                return await super().propose(request)

        tasks = [task("greedy", number=number, text="f" if number == 0 else "s") for number in range(9)]
        searches = run_searches(tasks, engines(Slow()), 4)
        assert (await anext(searches)).header.id == "1.search/0"
        waiting: asyncio.Task[SearchRecord] = asyncio.ensure_future(anext(searches))
        await asyncio.sleep(0)
        if end == "cancel":
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        else:
            waiting.cancel()
            await asyncio.wait([waiting])
            await searches.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(check())


def test_an_interrupt_leaves_nothing_behind() -> None:
    """Ctrl-C in the consumer, between two records."""

    async def interrupted() -> None:
        tasks = [task("mcts", Mcts(rounds=5), number=number) for number in range(9)]
        gate = Gate(1)
        async for _ in run_searches(tasks, engines(Writer(gate=gate), Judge(gate=gate)), 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupted())


# Requests


def test_greedy_samples_at_temperature_zero_and_the_others_do_not() -> None:
    for method, settings in LIMITED.items():
        policy = Writer()
        run(task(method, settings), engines(policy))
        own = {"greedy": {0.0}, "posterior-search": {0.0, *getattr(settings, "temperatures", ())}}
        assert {call.temperature for call in policy.calls} <= own.get(method, {0.7})


def test_greedy_does_not_depend_on_the_seed() -> None:
    first, second = (run(task("greedy", seed=seed), engines()) for seed in (1, 2))
    assert first.events == second.events


def test_prompts_are_the_token_ids_of_the_problem_and_the_steps() -> None:
    policy, judge = Writer(), Judge()
    record = run(task("mcts", Mcts(rounds=6, rollout_steps=1)), engines(policy, judge))
    tree = fold(record.events)
    question = (3000 + ord("q"),)
    known = {
        tuple(token for step in tree.steps(node.id) for token in step.tokens)
        for node in tree.nodes
    }  # fmt: skip
    assert {call.prompt for call in policy.calls} <= {(*PROMPT, *question, *steps) for steps in known}
    assert {call.until for call in policy.calls} == {"step"}


@pytest.mark.parametrize("dropped", [True, False])
def test_a_step_that_repeats_an_earlier_one_is_dropped(dropped: bool) -> None:
    class Parrot(Writer):
        def write(self, *args: Any) -> Any:
            sample = super().write(*args)
            steps = tuple(replace(step, text="again\n", ended=False) for step in sample.steps)
            return replace(sample, steps=steps)

    settings = Mcts(branch=1, rounds=4, rollout_steps=0)
    record = run(task("mcts", settings), engines(Parrot(), drop_repeats=dropped))
    assert max(node.depth for node in fold(record.events).nodes) == (1 if dropped else 4)


def test_a_sample_without_text_is_no_step() -> None:
    class Blank(Writer):
        def write(self, *args: Any) -> Any:
            sample = super().write(*args)
            return replace(sample, steps=tuple(replace(step, text=" \n") for step in sample.steps))

    policy = Blank()
    record = run(task("mcts", Mcts(branch=2, rounds=1)), engines(policy))
    assert record.result.nodes == 1
    assert sum(len(call.seeds) for call in policy.calls) == 6  # two steps, three attempts each


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("short", ["policy", "value"])
@pytest.mark.parametrize("context", [len(PROMPT) + 1, len(PROMPT) + 2, 12, 17])
def test_no_request_is_longer_than_a_model_reads(method: str, short: str, context: int) -> None:
    """The engines of the tests refuse prompts that are too long."""
    policy = Writer(context=context if short == "policy" else 10_000)
    judge = Judge(context=context if short == "value" else 10_000)
    record = run(task(method, LIMITED[method]), engines(policy, judge))
    assert record.result.reason != "failed"


def test_steps_and_traces_have_their_longest_lengths() -> None:
    sampling = Sampling(step_tokens=7, trace_tokens=19)
    for method, length, until in (("mcts", 7, "step"), ("self-consistency", 19, "end")):
        policy = Writer()
        run(task(method, LIMITED[method]), engines(policy, sampling=sampling))
        assert {(call.max_tokens, call.until) for call in policy.calls} == {(length, until)}


def test_a_step_as_long_as_allowed_is_kept() -> None:
    """Cut short by the settings, not by the budget."""

    class Cut(Writer):
        def write(self, *args: Any) -> Any:
            return replace(super().write(*args), truncated=True)

    record = run(task("mcts", Mcts(rounds=2)), engines(Cut()))
    assert record.result.nodes > 1


@pytest.mark.parametrize("method", ["self-consistency", "best-of-n", "tot-bfs", "mcts-improved"])
def test_a_search_that_nothing_ends_is_refused(method: str) -> None:
    settings = METHODS[method].settings()
    assert settings.endless
    with pytest.raises(InputError, match="budget"):
        task(method, settings)
    assert task(method, settings, budget=10).settings is settings
    with pytest.raises(InputError, match="budget"):
        task("mcts", Mcts(rounds=0))


@pytest.mark.parametrize("method", METHODS)
def test_a_search_of_an_evaluation_uses_its_budget(method: str) -> None:
    registered = METHODS[method]
    values = dict(registered.evaluation)
    if method == "mcts":
        # The faithful MCTS* meets its finished nodes again and again, and ends before.
        values["close_finished"] = True
    settings = registered.settings(**values)
    assert settings.endless != registered.one_trace
    record = run(task(method, settings, budget=300), engines(Writer(variety=50)))
    assert (record.result.reason == "budget") == settings.endless
    assert (record.result.cost.generated == 300) == settings.endless


@pytest.mark.parametrize("aggregation, combine", [("minimum", min), ("product", prod), ("mean", fmean)])
def test_a_partial_solution_is_valued_by_all_its_steps(aggregation: Aggregation, combine: Any) -> None:
    """What the tree holds is the aggregate of what the value model says along the path."""
    settings: dict[str, Any] = {"branch": 2, "rounds": 6, "rollout_steps": 0}
    plain = fold(run(task("mcts", Mcts(**settings, end_gate=2)), engines(Writer(), Judge())).events)
    said = {plain.text(node.id): node.score for node in plain.nodes[1:]}
    used = replace(engines(Writer(), Judge()), aggregation=aggregation)
    tree = fold(run(task("mcts", Mcts(**settings, end_gate=2)), used).events)
    deep = 0
    for node in tree.nodes[1:]:
        texts = [tree.text(member.id) for member in tree.path(node.id)]
        if all(text in said for text in texts):
            deep += len(texts) > 1
            assert node.score == pytest.approx(combine([said[text] for text in texts]), abs=1e-5)
    assert deep


def test_a_step_that_the_value_model_cannot_read_ends_its_search() -> None:
    class Picky(Judge):
        def tokens(self, step: Step) -> Tokens:
            if step.text.startswith("1."):
                raise EngineError("picky: the step tag stands in the step")
            return step.tokens

    record = run(task("mcts", Mcts(rounds=9, rollout_steps=0)), engines(Writer(), Picky()))
    stopped = record.events[-1]
    assert isinstance(stopped, Stopped)
    assert (stopped.reason, stopped.message) == ("failed", "picky: the step tag stands in the step")
    assert record.result.nodes > 1


@pytest.mark.parametrize("method", ["mcts", "mcts-improved", "tot-bfs", "tot-dfs"])
def test_what_the_budget_cuts_short_finishes_no_solution(method: str) -> None:
    """A step is cut off and one token is left: the search ends; its last node is not a solution for that."""

    class Wordy(Writer):
        async def propose(self, request: SamplingRequest) -> list[Sample]:
            if request.total_tokens is not None and request.total_tokens < 6:
                return [Sample((), request.total_tokens - 1, True, cut=True)]
            return await super().propose(request)

        def write(self, prompt: Tokens, seed: int, most: int, until: str, temperature: float) -> Sample:
            return Sample((Step(f"{seed}\n", (5, 6, 7, 8, seed % 50 + 10, 9), -0.5),), 6, False)

    record = run(task(method, budget=50, oracle="5"), engines(Wordy()))
    assert record.result.reason == "budget"
    assert record.result.cost.policy == 49
    assert record.result.finished == 0
    assert record.result.answer is None


def test_a_text_that_ends_without_a_word_is_graded_by_its_answer() -> None:
    """The policy writes one step that does not say that it is the last, then nothing more."""

    class Terse(Writer):
        def write(self, prompt: Tokens, seed: int, most: int, until: str, temperature: float) -> Sample:
            if 9 in prompt:
                return Sample((), 1, False)
            return Sample((Step("2 + 3 = 5\n", (5, 9), -0.5),), 2, False)

    for method in ("mcts", "mcts-improved"):
        record = run(task(method, LIMITED[method], budget=60, oracle="5"), engines(Terse()))
        tree = fold(record.events)
        assert [(node.finished, node.answer) for node in tree.nodes] == [(False, None), (True, "5")]
        assert record.result.answer == "5"
