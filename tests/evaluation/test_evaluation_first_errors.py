"""Finding first errors, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from restmcts.evaluation.values.first_errors import FirstErrors, first_errors
from restmcts.evaluation.values.judged import JudgedChain
from restmcts.evaluation.values.resampling import Resampling

SCORES = st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def found_by(chain: JudgedChain, threshold: float) -> bool:
    """ProcessBench: the first step below the threshold is the first error, or there is none."""
    below = [place for place, score in enumerate(chain.scores) if score < threshold]
    return (below[0] if below else None) == chain.first_error


def look(chains: list[JudgedChain]) -> FirstErrors | None:
    drawn = Resampling([chain.group for chain in chains], 50, 0)
    return first_errors(chains, lambda chain: chain.scores, drawn)


@st.composite
def judged_chains(draw: st.DrawFn) -> list[JudgedChain]:
    chains = []
    for number in range(60):
        scores = tuple(draw(st.lists(SCORES, min_size=1, max_size=4)))
        error = draw(st.integers(0, len(scores) - 1)) if number % 2 else None
        chains.append(JudgedChain(f"p{number // 4}", scores, error))
    return chains


def best_f1(chains: list[JudgedChain]) -> tuple[float, set[float]]:
    """The best F1 of any threshold, and the thresholds that have it."""
    by_threshold = {}
    for threshold in (-1.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1):
        wrong = [found_by(chain, threshold) for chain in chains if chain.first_error is not None]
        right = [found_by(chain, threshold) for chain in chains if chain.first_error is None]
        one, two = np.mean(wrong), np.mean(right)
        by_threshold[threshold] = float(2 * one * two / (one + two)) if one + two else 0.0
    best = max(by_threshold.values())
    return best, {threshold for threshold, f1 in by_threshold.items() if f1 == pytest.approx(best)}


@given(judged_chains())
@settings(max_examples=40, deadline=None)
def test_each_half_is_judged_by_the_best_threshold_of_the_other(chains: list[JudgedChain]) -> None:
    found = look(chains)
    assert found is not None and (found.erroneous_chains, found.correct_chains) == (30, 30)
    names = list(dict.fromkeys(chain.group for chain in chains))
    halves = [[chain for chain in chains if names.index(chain.group) % 2 == half] for half in (0, 1)]
    possible = set()
    for first in best_f1(halves[0])[1]:
        for second in best_f1(halves[1])[1]:
            hits = [(chain, found_by(chain, second)) for chain in halves[0]]
            hits += [(chain, found_by(chain, first)) for chain in halves[1]]
            wrong = [hit for chain, hit in hits if chain.first_error is not None]
            right = [hit for chain, hit in hits if chain.first_error is None]
            possible.add((round(float(np.mean(wrong)), 9), round(float(np.mean(right)), 9)))
    assert (round(found.erroneous.value, 9), round(found.correct.value, 9)) in possible


def test_a_perfect_verifier_finds_all_and_a_constant_one_nothing() -> None:
    perfect, constant = [], []
    for number in range(40):
        error = number % 3 if number % 2 else None
        scores = tuple(0.1 if place == error else 0.9 for place in range(3 if error is None else error + 1))
        perfect.append(JudgedChain(f"p{number // 2}", scores, error))
        constant.append(JudgedChain(f"p{number // 2}", (0.5,) * len(scores), error))
    found, none = look(perfect), look(constant)
    assert found is not None and none is not None
    assert found.f1.value == found.erroneous.value == found.correct.value == 1.0
    assert 0.1 < found.threshold <= 0.9
    assert none.f1.value < 0.6
    assert found.f1.low == 1.0


def test_accuracies_are_recalls_and_f1_their_harmonic_mean() -> None:
    """Chains of one step: an error is found where the classifier says so. Both halves hold equal chains."""
    random = np.random.default_rng(3)
    chains: list[JudgedChain] = []
    for _ in range(100):
        right = bool(random.random() < 0.5)
        score = float(random.normal(0.3 if right else -0.3, 0.3))
        chains += [JudgedChain(f"p{len(chains) + half}", (score,), None if right else 0) for half in (0, 1)]
    found = look(chains)
    assert found is not None
    truth = [chain.first_error is None for chain in chains]
    said = [chain.scores[0] >= found.threshold for chain in chains]
    assert found.correct.value == pytest.approx(recall_score(truth, said))
    assert found.erroneous.value == pytest.approx(recall_score(truth, said, pos_label=False))
    recalls = found.correct.value, found.erroneous.value
    assert found.f1.value == pytest.approx(2 * recalls[0] * recalls[1] / sum(recalls))
    assert found.f1.low < found.f1.value < found.f1.high


def test_too_few_chains_of_a_kind_give_nothing() -> None:
    chains = [JudgedChain(f"p{number}", (0.5,), 0 if number < 9 else None) for number in range(60)]
    assert look(chains) is None


def test_unknown_likelihoods_give_nothing() -> None:
    chains = [
        JudgedChain(f"p{number // 2}", (0.5,), 0 if number % 2 else None, () if number == 7 else (-1.0,))
        for number in range(60)
    ]
    drawn = Resampling([chain.group for chain in chains], 20, 0)
    assert first_errors(chains, lambda chain: chain.likelihoods, drawn) is None
    assert first_errors(chains[8:], lambda chain: chain.likelihoods, drawn) is not None
