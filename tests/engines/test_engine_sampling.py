"""Drawing tokens: the distribution, and that a seed means the same in any batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from restmcts.engines.transformers.sampling import Draw, draw_tokens, uniforms

END = torch.tensor([2])


def draws(count: int, **changes: Any) -> list[Draw]:
    options: dict[str, Any] = {
        "position": 0,
        "temperature": 1.0,
        "top_p": 1.0,
        "end_allowed": True,
        **changes,
    }
    return [Draw(seed=seed, **(options | changes)) for seed in range(count)]


def shares(logits: list[float], count: int = 20_000, **changes: Any) -> list[float]:
    tokens, _ = draw_tokens(torch.tensor([logits]).expand(count, -1), draws(count, **changes), END)
    return [float(share) for share in np.bincount(tokens, minlength=len(logits)) / count]


def test_numbers_are_uniform_over_seeds_and_over_positions() -> None:
    over_seeds = uniforms(range(20_000), [3] * 20_000)
    over_positions = uniforms([11] * 20_000, range(20_000))
    for numbers in (over_seeds, over_positions):
        assert stats.kstest(numbers, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.03
    assert len(np.unique(over_seeds)) == 20_000


@given(st.lists(st.tuples(st.integers(), st.integers(0, 10**6)), min_size=1))
def test_a_number_depends_on_its_own_seed_and_position(pairs: list[tuple[int, int]]) -> None:
    together = uniforms(*zip(*pairs, strict=True))
    alone = [uniforms([seed], [position])[0] for seed, position in pairs]
    assert together.tolist() == alone
    assert all(0 <= number < 1 for number in alone)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_follow_the_tempered_distribution(temperature: float) -> None:
    logits = [0.0, 1.0, -1.0, 2.0]
    expected = torch.softmax(torch.tensor(logits) / temperature, 0).tolist()
    assert shares(logits, temperature=temperature) == pytest.approx(expected, abs=0.015)


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    logits = [math.log(share) for share in (0.1, 0.4, 0.2, 0.3)]
    assert shares(logits, top_p=0.65) == pytest.approx([0, 4 / 7, 0, 3 / 7], abs=0.015)
    assert shares(logits, top_p=0.75) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9], abs=0.015)
    assert shares(logits, top_p=0.05) == [0, 1, 0, 0]


def test_a_forbidden_end_leaves_the_rest_in_proportion() -> None:
    logits = [math.log(share) for share in (0.1, 0.3, 0.6)]
    assert shares(logits, end_allowed=False) == pytest.approx([0.25, 0.75, 0], abs=0.015)
    assert shares(logits, end_allowed=False, top_p=0.5) == pytest.approx([0.25, 0.75, 0], abs=0.015)
    assert shares(logits, count=10, end_allowed=False, temperature=0) == [0, 1, 0]


def test_greedy_takes_the_best_and_logprobs_are_at_temperature_one() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 0.0, 5.0]])
    tokens, logprobs = draw_tokens(logits, draws(2, temperature=0), END)
    assert tokens == [1, 2]
    expected = torch.log_softmax(logits, 1)
    assert logprobs == pytest.approx([expected[0, 1].item(), expected[1, 2].item()], abs=1e-6)
    tokens, logprobs = draw_tokens(logits, draws(2, temperature=0.3), END)
    assert logprobs == pytest.approx(expected[[0, 1], tokens].tolist(), abs=1e-6)


def test_a_mixed_batch_gives_each_row_what_it_gets_alone() -> None:
    torch.manual_seed(0)
    logits = torch.randn(40, 30)
    mixed = [
        Draw(seed * 77, seed % 5, (0, 0.7, 1.4)[seed % 3], (1.0, 0.6)[seed % 2], seed % 4 != 0)
        for seed in range(40)
    ]
    tokens, logprobs = draw_tokens(logits, mixed, END)
    for row, draw in enumerate(mixed):
        assert draw_tokens(logits[row : row + 1], [draw], END) == ([tokens[row]], [logprobs[row]])


def test_impossible_tokens_are_never_drawn() -> None:
    logits = torch.full((5000, 50), -math.inf)
    logits[:, 20:23] = 0.0
    tokens, _ = draw_tokens(logits, draws(5000), END)
    assert set(tokens) == {20, 21, 22}


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("changes", [{}, {"temperature": 0}, {"top_p": 0.5}, {"end_allowed": False}])
def test_what_is_no_number_has_no_log_probability_and_harms_no_other_row(
    broken: float, changes: dict[str, Any]
) -> None:
    healthy = torch.tensor([[0.0, 1.0, -1.0, 2.0]])
    logits = torch.cat([healthy, torch.full((1, 4), broken), healthy])
    tokens, logprobs = draw_tokens(logits, draws(3, **changes), END)
    alone, own = draw_tokens(healthy, draws(1, **changes), END)
    assert (tokens[0], logprobs[0]) == (alone[0], own[0])
    assert math.isfinite(logprobs[2]) and not math.isfinite(logprobs[1])
    assert 0 <= tokens[1] < 4
