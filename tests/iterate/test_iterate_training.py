"""The samples that a first value model starts from."""

from __future__ import annotations

from random import Random

from restmcts.iterate.training import perturbed_samples
from store.records import PolicySample
from store.trace import Step

SOLVED = [
    PolicySample(f"p{number}", f"question {number}", steps, (), None, "demonstration")
    for number, steps in enumerate(
        tuple(Step(f"{number}.{place}\n") for place in range(4)) for number in range(3)
    )
]


def test_half_of_the_copies_are_whole_and_half_end_in_a_wrong_step() -> None:
    samples = list(perturbed_samples(SOLVED, 40, Random(3)))
    right = {solved.problem: solved.steps for solved in SOLVED}
    whole = [sample for sample in samples if sample.labels == (1.0,) * 4]
    wrong = [sample for sample in samples if sample.labels[-1] == 0.0]
    assert len(samples) == len(whole) + len(wrong) == 120
    assert all(sample.steps == right[sample.problem] for sample in whole)
    assert 40 <= len(wrong) <= 60
    for sample in wrong:
        last = len(sample.steps) - 1
        assert sample.labels == (1.0,) * last + (0.0,)
        assert sample.steps[:last] == right[sample.problem][:last]
        assert sample.steps[last].text != right[sample.problem][last].text
    assert {len(sample.steps) for sample in wrong} == {1, 2, 3, 4}


def test_no_copies_give_no_samples() -> None:
    assert list(perturbed_samples(SOLVED, 0, Random(1))) == []
