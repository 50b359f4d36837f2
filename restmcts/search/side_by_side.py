"""Moves that run side by side in one search, so that an engine gets all that they ask for at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restmcts.search.moves import Moves
from restmcts.search.requests import Proposals, Propose, Request, Value


def side_by_side(branches: Sequence[Moves]) -> Moves:
    """Run the moves of several branches to their ends.

    All that can go on without new steps goes on first. Then the steps that all branches wait for are asked
    for in one request, so that what happens depends on the replies alone, not on which of them comes first.

    Returns:
        What each branch returned; None where the token budget ran out before its steps.
    """
    if len(branches) == 1:
        return [(yield from branches[0])]
    running = [_Branch(moves) for moves in branches]
    while waiting := [branch for branch in running if branch.request is not None]:
        other = [branch for branch in waiting if not isinstance(branch.request, Propose | Value)]
        valued = [branch for branch in waiting if isinstance(branch.request, Value)]
        if other:
            other[0].go_on((yield other[0].request))
        elif valued:
            yield from _value(valued)
        else:
            yield from _propose(waiting)
    return [branch.result for branch in running]


class _Branch:
    """Moves under way: what they ask for, or, at their end, what they returned."""

    def __init__(self, moves: Moves) -> None:
        self._moves = moves
        self.request: Any = None
        self.result: Any = None
        self.go_on(None)

    def go_on(self, reply: Any) -> None:
        try:
            self.request = self._moves.send(reply)
        except StopIteration as end:
            self.request, self.result = None, end.value

    def give_up(self) -> None:
        self._moves.close()
        self.request = None


def _value(branches: Sequence[_Branch]) -> Moves:
    parts = [branch.request.prefixes for branch in branches]
    values: list[float] = yield Value(tuple(prefix for part in parts for prefix in part))
    for branch, part in zip(branches, parts, strict=True):
        own, values = values[: len(part)], values[len(part) :]
        branch.go_on(own)


def _propose(branches: Sequence[_Branch]) -> Moves:
    request: Request = Proposals(tuple(branch.request for branch in branches))
    replies: list[Any] = yield request
    for branch, reply in zip(branches, replies, strict=True):
        if reply is None:
            branch.give_up()
        else:
            branch.go_on(reply)
