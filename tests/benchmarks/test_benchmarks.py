"""What the benchmarks claim to measure is what they measure."""

import asyncio
from collections import Counter
from dataclasses import asdict

import pytest

from benchmarks.cluster_faults import miscounted
from benchmarks.contenders.replay import grouped
from benchmarks.contenders.searches import Asked, Recording, search
from benchmarks.contenders.workload import Workload, make_problems
from benchmarks.in_flight import fly
from benchmarks.scaling import memory
from benchmarks.search_overhead import PROMPT, ReadyPolicy
from benchmarks.value_labels import ARMS, row
from restmcts.engines.base import Sample, SamplingRequest
from restmcts.evaluation.values.judged import Judged
from restmcts.evaluation.values.value_report import value_report
from restmcts.tools.speed import FreeValues


def asked(lengths: list[int], seeds: list[int]) -> Asked:
    return Asked(
        SamplingRequest((1,), seeds, 64, "step", 1.0), [Sample((), length, False) for length in lengths]
    )


@pytest.mark.parametrize(
    ("lengths", "seeds", "groups"),
    [
        ([5, 5, 5], [1, 2, 3], [(0, 3)]),
        ([5, 5, 7], [1, 2, 3], [(0, 2), (2, 1)]),
        ([5, 7, 5], [1, 2, 3], [(0, 1), (1, 1), (2, 1)]),
        ([5, 5], [1, 9], [(0, 1), (1, 1)]),
        ([4], [3], [(0, 1)]),
    ],
)
def test_samples_of_equal_length_and_following_seeds_are_one_request(
    lengths: list[int], seeds: list[int], groups: list[tuple[int, int]]
) -> None:
    assert list(grouped(asked(lengths, seeds))) == groups


def test_searches_that_are_lost_or_doubled_are_named() -> None:
    assert miscounted(Counter({"search/0": 1, "search/1": 1}), wanted=2) == []
    found = Counter({"search/0": 2, "search/2": 1})
    assert miscounted(found, wanted=4) == ["lost: search/1, search/3", "doubled: search/0"]


def test_a_recording_has_all_that_a_search_paid_for() -> None:
    policy, recording = ReadyPolicy(), Recording()
    problems = make_problems(3)
    workload = Workload(problems, [PROMPT] * 3, 2, 240, 3, 64, 0.7, frozenset(), frozenset())
    tokens, details = search(workload, policy, FreeValues(policy), recording)
    # Every sample of this policy has twelve tokens, and a budget is spent as far as it goes.
    assert tokens == recording.tokens == 3 * 240
    assert details["requests"] == len(recording.proposals)
    assert recording.scored > details["nodes"]


def test_the_driver_holds_less_than_the_aim_beside_the_text() -> None:
    held, nodes, _ = asyncio.run(memory(trees=4, nodes=100))
    assert 400 <= nodes <= 440
    assert 0 < held / nodes < 2048


# A round of the paper's search is three samples, then two after each other; a walk is one at a time.
@pytest.mark.parametrize(("method", "one", "many"), [("mcts", 1.5, 3.5), ("mcts-improved", 1.0, 2.5)])
def test_parallel_rounds_keep_more_samples_in_flight_and_lose_few(
    method: str, one: float, many: float
) -> None:
    alone, eight, again = (fly(method, parallel, 3000, seed=0) for parallel in (1, 8, 8))
    assert again.record.events == eight.record.events
    assert again.passes == eight.passes
    assert alone.record.result.cost.policy == eight.record.result.cost.policy == 3000
    assert alone.in_flight == pytest.approx(one, abs=0.15)
    assert eight.in_flight > many
    assert eight.cut < 0.1


def test_the_quality_error_is_that_of_what_is_read_from_the_value_model() -> None:
    """A value that says the label is compared as it is; chances of steps by what follows from them."""
    judged = [
        Judged(f"p{number}", 1, 0.8, 0.7, number % 2 == 1, quality=0.5, derived=0.8) for number in range(40)
    ]
    report = asdict(value_report(judged))
    figures = {"seed": 1, "from": "start", "updates": 2, "seconds": 3.0, "report": report}
    direct, implied = ARMS[2], ARMS[3]
    assert "quality error 0.0100 near 1.000" in row({**figures, "arm": direct.name})
    assert "quality error 0.0900 near 0.000" in row({**figures, "arm": implied.name})
    assert "auc 0.500 by depth 0.500" in row({**figures, "arm": direct.name})
