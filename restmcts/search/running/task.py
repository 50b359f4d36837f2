"""A search to run, and what answers its requests."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from restmcts.aggregations import Aggregation
from restmcts.engines.base import Critic, Policy, Sampling, ValueModel
from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.search.settings import Method
from store.events import Event, Header


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

    def __post_init__(self) -> None:
        if self.settings.endless and self.budget is None and self.stored is None:
            raise InputError(
                f"method {self.method!r} with these settings ends only by a token budget: give one"
            )

    @property
    def id(self) -> str:
        """The name of the search in a run."""
        return f"{self.phase}/{self.number}"

    def header(self, engines: Engines) -> Header:
        """What the record of the search begins with."""
        sampling = asdict(engines.sampling) | {"drop_repeats": engines.drop_repeats}
        if self.temperature is not None:
            sampling["temperature"] = self.temperature
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
            policy=engines.policy.name,
            value=None if engines.value is None else engines.value.name,
            budget=self.budget,
            settings=self.settings.model_dump(mode="json") | sampling,
        )
