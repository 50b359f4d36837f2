"""The workers of one process."""

from __future__ import annotations

from restmcts.engines.base import Sampling
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.grading.registry import GRADERS
from restmcts.search.running.task import Engines
from restmcts.workers.local import LocalWorkers
from tests.search.search_engines import Judge, Writer


class TellingWriter(Writer):
    def remarks(self) -> list[str]:
        return ["the server a was left out once", "two samples were empty"]


class TellingJudge(Judge):
    def remarks(self) -> list[str]:
        return ["the server a was left out once"]


def test_policy_and_value_model_on_one_fleet_say_once_what_both_have_seen() -> None:
    engines = Engines(TellingWriter(), TellingJudge(), RuleCritic(), Sampling())
    with GRADERS["math"].open() as grader:
        told = LocalWorkers(engines, grader, 1).remarks()
    assert told == ["the server a was left out once", "two samples were empty"]
