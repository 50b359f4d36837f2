"""How the samples of a request share a limit of tokens."""

from __future__ import annotations

from collections.abc import Sequence


def shared_passes(lengths: Sequence[int], together: int) -> int:
    """For how many passes samples of these lengths get a token each, if so many are left for all."""
    passes = 0
    while (drawing := sum(length > passes for length in lengths)) and drawing <= together:
        together -= drawing
        passes += 1
    return passes
