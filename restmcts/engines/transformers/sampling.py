"""Sampling tokens so that a seed gives the same tokens whatever else is in the batch.

Each draw is a hash of the row's seed and the position of the token in its continuation; it is turned
into a token by the inverse of the cumulative distribution, in float64. No generator has a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output function of splitmix64."""
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))


def uniforms(seeds: Sequence[int], positions: Sequence[int]) -> NDArray[np.float64]:
    """One number in [0, 1) for each pair of seed (any integer) and position (0, 1, ...)."""
    seed = np.array([value & 0xFFFFFFFFFFFFFFFF for value in seeds], dtype=np.uint64)
    position = np.array(positions, dtype=np.uint64)
    state = _mix(_mix(seed + _GOLDEN) + (position + np.uint64(1)) * _GOLDEN)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Draw:
    """How one token is to be drawn. ``end_allowed``: it may be an end-of-text token."""

    seed: int
    position: int
    temperature: float
    top_p: float
    end_allowed: bool


def draw_tokens(
    logits: torch.Tensor, draws: Sequence[Draw], end_tokens: torch.Tensor
) -> tuple[list[int], list[float]]:
    """Draw one token a row.

    Args:
        logits: ``[rows, vocabulary]`` of the model.
        draws: how to draw, one a row.
        end_tokens: ids of the end-of-text tokens, on the device of ``logits``.

    Returns:
        The tokens, and their log-probabilities under the model at temperature 1. Where the model gives no
        numbers, the log-probability is none either, and the token says nothing.
    """
    logits = logits.float()
    tokens = torch.empty(len(draws), dtype=torch.long, device=logits.device)
    greedy = [row for row, draw in enumerate(draws) if draw.temperature == 0]
    random = [row for row, draw in enumerate(draws) if draw.temperature != 0]
    if greedy:
        rows = torch.tensor(greedy, device=logits.device)
        tokens[rows] = _greedy(logits[rows], [draws[row] for row in greedy], end_tokens)
    if random:
        rows = torch.tensor(random, device=logits.device)
        part = logits if len(random) == len(draws) else logits[rows]
        tokens[rows] = _random(part, [draws[row] for row in random], end_tokens)
    chosen = logits.gather(1, tokens[:, None])[:, 0].double()
    logprobs = chosen - torch.logsumexp(logits, 1).double()
    return tokens.tolist(), logprobs.tolist()


def _forbidden(draws: Sequence[Draw], device: torch.device) -> torch.Tensor | None:
    rows = [row for row, draw in enumerate(draws) if not draw.end_allowed]
    return torch.tensor(rows, device=device) if rows else None


def _greedy(logits: torch.Tensor, draws: Sequence[Draw], end_tokens: torch.Tensor) -> torch.Tensor:
    forbidden = _forbidden(draws, logits.device)
    if forbidden is not None:
        logits = logits.clone()
        logits[forbidden[:, None], end_tokens[None, :]] = -torch.inf
    return logits.argmax(1)


def _random(logits: torch.Tensor, draws: Sequence[Draw], end_tokens: torch.Tensor) -> torch.Tensor:
    device = logits.device
    if any(draw.temperature != 1 for draw in draws):
        temperatures = torch.tensor([draw.temperature for draw in draws], device=device)
        logits = logits / temperatures[:, None]
    weights = torch.softmax(logits, 1)
    if any(draw.top_p < 1 for draw in draws):
        weights = _nucleus(weights, torch.tensor([draw.top_p for draw in draws], device=device))
    forbidden = _forbidden(draws, device)
    if forbidden is not None:
        weights = _without_end(weights, logits, forbidden, end_tokens)
    sums = weights.cumsum(1, dtype=torch.float64)
    points = uniforms([draw.seed for draw in draws], [draw.position for draw in draws])
    targets = torch.from_numpy(points).to(device)[:, None] * sums[:, -1:]
    found = torch.searchsorted(sums, targets, right=True)[:, 0]
    # Rounding may put the target on the very end, where only tokens of weight 0 follow.
    last = torch.searchsorted(sums, sums[:, -1:].contiguous())[:, 0]
    # Sums that are not numbers find no token at all.
    return torch.minimum(found, last).clamp(max=sums.shape[1] - 1)


def _nucleus(weights: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Keep the fewest most likely tokens that reach ``top_p`` together; equal ones in order of id."""
    ordered, order = weights.sort(dim=1, descending=True, stable=True)
    before = ordered.cumsum(1, dtype=torch.float64) - ordered
    dropped = before >= top_p[:, None]
    dropped[:, 0] = False
    return weights.masked_fill(torch.zeros_like(dropped).scatter(1, order, dropped), 0.0)


def _without_end(
    weights: torch.Tensor, logits: torch.Tensor, rows: torch.Tensor, end_tokens: torch.Tensor
) -> torch.Tensor:
    """Take the end-of-text tokens out of ``rows``."""
    weights = weights.clone()
    weights[rows[:, None], end_tokens[None, :]] = 0.0
    empty = rows[weights[rows].sum(1) == 0]
    if len(empty):
        # Nothing but the end of the text was likely: fall back on the model without that token.
        rest = logits[empty].clone()
        rest[:, end_tokens] = -torch.inf
        weights[empty] = torch.softmax(rest, 1)
    return weights
