"""A search to run, and what answers its requests."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from restmcts.aggregations import Aggregation
from restmcts.engines.base import Critic, Policy, Sampling, ValueModel
from restmcts.errors import InputError
from restmcts.evaluation.reading.budgets import Axis
from restmcts.evaluation.reading.flops import flops_setting
from restmcts.problems.problem import Problem
from restmcts.search.recorder import Recorder
from restmcts.search.settings import NO_LIMITS, Limits, Method
from store.answering.constants import AnswerConstants
from store.events import Event, Header, Result, SearchRecord


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the records of searches say about what answers their requests.

    ``policy`` and ``value`` are names; ``value`` is None for methods that ask for no values. ``aggregation``
    says how the value of a partial solution follows from what the value model says at the end of each of its
    steps. ``flops`` says what a token costs; None where the size of a model is not known. ``constants`` are
    those of the answer rules that were fitted for the value model; None: there are none.
    """

    policy: str
    value: str | None
    sampling: Sampling
    drop_repeats: bool = True
    aggregation: Aggregation = "last"
    flops: Axis | None = None
    constants: AnswerConstants | None = None

    def answer_constants(self) -> AnswerConstants:
        """The constants of the answer rules, where the settings of a method give none."""
        if self.constants is not None:
            return self.constants
        return AnswerConstants(step_values="ratio" if self.aggregation == "product" else "score")


@dataclass(frozen=True, slots=True)
class Engines:
    """What answers the requests; see :class:`Conditions` for the rest."""

    policy: Policy
    value: ValueModel | None
    critic: Critic
    sampling: Sampling
    drop_repeats: bool = True
    aggregation: Aggregation = "last"
    flops: Axis | None = None
    constants: AnswerConstants | None = None

    @property
    def conditions(self) -> Conditions:
        """What the records of searches say about these engines."""
        return Conditions(
            self.policy.name,
            None if self.value is None else self.value.name,
            self.sampling,
            self.drop_repeats,
            self.aggregation,
            self.flops,
            self.constants,
        )


@dataclass(frozen=True, slots=True)
class SearchTask:
    """One search to run.

    Attributes:
        problem: what is searched.
        method: the name of a search method.
        settings: the settings of the method.
        seed: the seed of everything random in the search.
        budget: generated tokens; None: until the method ends.
        temperature: the sampling temperature; None: that of the engines.
        phase: the phase that the search is stored in.
        number: its number there.
        limits: hard limits besides the budget.
        stored: the events of a search of this method whose traces are valued again, instead of a search.

    Raises:
        InputError: nothing would ever end the search.
    """

    problem: Problem
    method: str
    settings: Method
    seed: int
    budget: int | None = None
    phase: str = "search"
    number: int = 0
    temperature: float | None = None
    stored: tuple[Event, ...] | None = None
    limits: Limits = NO_LIMITS

    def __post_init__(self) -> None:
        if self.settings.endless and self.budget is None and self.stored is None:
            raise InputError(
                f"method {self.method!r} with these settings ends only by a token budget: give one"
            )

    @property
    def id(self) -> str:
        """The name of the search in a run."""
        return f"{self.phase}/{self.number}"

    def with_constants(self, known: Conditions) -> SearchTask:
        """The task with the constants that its answers need, so that its record can be answered again.

        Where nothing depends on them and none are given, it is the same task.
        """
        settings = self.settings
        if not settings.uses_constants and settings.constants is None:
            return self
        constants = settings.answer_constants(known.answer_constants())
        return replace(self, settings=settings.with_constants(constants))

    def header(self, known: Conditions) -> Header:
        """What the record of the search begins with."""
        sampling = asdict(known.sampling) | {"drop_repeats": known.drop_repeats}
        if self.temperature is not None:
            sampling["temperature"] = self.temperature
        if self.limits.given:
            sampling["limits"] = self.limits.given
        sampling |= flops_setting(known.flops)
        settings = self.settings.model_dump(mode="json")
        if settings["constants"] is None:
            del settings["constants"]
        if self.problem.examples:
            sampling["examples"] = [list(example) for example in self.problem.examples]
        return Header(
            id=self.id,
            phase=self.phase,
            problem=self.problem.id,
            question=self.problem.text,
            oracle=self.problem.answer,
            method=self.method,
            answer_by=self.settings.answer_by,
            seed=self.seed,
            policy=known.policy,
            value=known.value,
            budget=self.budget,
            settings=settings | sampling,
        )

    def record(self, known: Conditions, recorder: Recorder, seconds: float) -> SearchRecord:
        """The record of the search, which has ended after so many seconds."""
        tree = recorder.tree
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
        return SearchRecord(self.header(known), tuple(recorder.events), result)
