"""One token budget for many pieces of work, whatever runs at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Piece = TypeVar("Piece")


def waves(
    pieces: Sequence[Piece], most: int, tokens: int | None, taken: Callable[[Piece], int]
) -> Iterator[Sequence[Piece]]:
    """The pieces of work that a token budget pays for, in waves; a wave is done before the next one begins.

    A wave has as many of the next pieces as what is left surely pays for. So never a token more than
    ``tokens`` is generated. The pieces that are done in the end are those that would be done one after the
    other, each as long as the rest pays for a whole one: they depend on what each piece takes alone.

    Args:
        pieces: the work, in order.
        most: the most tokens that a piece can take, at least 1.
        tokens: the budget; None: there is none, and all pieces are one wave.
        taken: how many tokens a piece that is done took, 0 to ``most``.
    """
    if tokens is None:
        yield pieces
        return
    done, left = 0, tokens
    while done < len(pieces) and left >= most:
        wave = pieces[done : done + left // most]
        yield wave
        done += len(wave)
        left -= sum(map(taken, wave))
