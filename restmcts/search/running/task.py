"""A search to run, and what answers its requests."""

from __future__ import annotations

from dataclasses import dataclass

from restmcts.aggregations import Aggregation
from restmcts.engines.base import Critic, Policy, Sampling, ValueModel
from restmcts.errors import InputError
from restmcts.problems.problem import Problem
from restmcts.search.settings import Method
from store.events import Header


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
