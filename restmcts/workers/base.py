"""What runs searches, as those who ask for them see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from restmcts.problems.problem import Problem
from restmcts.search.running.task import SearchTask
from store.events import Header, SearchRecord
from store.records import WorkerFigures


@dataclass(frozen=True, slots=True)
class Models:
    """The names of a policy and, where there is one, of a value model."""

    policy: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The verified record of a search that has ended, and its line where that was made already."""

    record: SearchRecord
    line: bytes | None = None


class Workers(Protocol):
    """Runs searches by a policy and, for methods that ask for values, a value model.

    What a search comes to depends on its task alone, so it does not matter which worker runs it.
    """

    @property
    def models(self) -> Models:
        """The names that stored searches have for the models."""
        ...

    def too_long(self, problems: Sequence[Problem]) -> dict[str, str]:
        """Why problems leave no room for a solution, by the ids of those that leave none.

        Raises:
            InputError: a value model refuses a problem.
        """
        ...

    def header(self, task: SearchTask) -> Header:
        """What the record of a search would begin with."""
        ...

    def failed(self, task: SearchTask, message: str) -> SearchRecord:
        """The verified record of a search that fails before it begins."""
        ...

    def search(self, tasks: Iterable[SearchTask]) -> AsyncGenerator[Ended]:
        """Run the searches; yields each as it ends."""
        ...

    def stats(self) -> dict[str, float]:
        """The counts of the engines so far, by ``policy.`` and ``value.`` names, summed over all workers.

        ``workers`` says how many there are, where they are more than this process.
        """
        ...

    def figures(self) -> list[WorkerFigures]:
        """What each worker has done since all were opened; none where this process is the only one."""
        ...

    def remarks(self) -> list[str]:
        """What the engines have seen that whoever runs them should know; each is said once."""
        ...
