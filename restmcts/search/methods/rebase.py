"""REBASE, reward balanced search (Wu et al., arXiv 2408.00724, Section 3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import exp, floor
from random import Random

from pydantic import Field

from restmcts.search.moves import Moves
from restmcts.search.passes import Passes, expand_each, first_at_gate, passes, ranked
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.settings import RuleName
from store.tree import Node


class Rebase(Passes):
    """REBASE: samples are shared out by value (balance 0.2 as in the authors' code)."""

    answer_by: RuleName = "value-vote"
    width: int = Field(
        default=16, ge=1, description="steps sampled at each depth, less the solutions that are finished (N)"
    )
    balance: float = Field(
        default=0.2,
        gt=0,
        description="temperature of the softmax over values by which samples are shared out (T_b)",
    )
    depth: int = Field(default=40, ge=1, description="most steps of a solution")


def rebase(recorder: Recorder, settings: Rebase, random: Random) -> Moves:
    """Sample after every partial solution of a depth, more after those with larger values."""
    return (yield from passes(recorder, settings, partial(_one_tree, recorder, settings)))


def _one_tree(recorder: Recorder, settings: Rebase) -> Moves:
    tree = recorder.tree
    width = settings.width
    numbers = Counter({tree.root.id: width})
    for _ in range(settings.depth):
        nodes = [tree.nodes[number] for number in numbers]
        drawn: list[list[Node]] = yield from expand_each(
            recorder, nodes, list(numbers.values()), settings.attempts
        )
        ended = first_at_gate(ranked(drawn), settings)
        if ended:
            return ended
        samples = [child for children in drawn for child in children]
        unfinished = [child for child in samples if not child.finished]
        width -= len(samples) - len(unfinished)
        if not (width and unfinished):
            break
        # Equal steps are one node here and several in the paper: the node gets what those would get.
        shares = share_out(width, [child.value for child in unfinished], settings.balance)
        numbers = Counter()
        for child, share in zip(unfinished, shares, strict=True):
            numbers[child.id] += share
        numbers = +numbers
    return None


def share_out(samples: int, values: Sequence[float], balance: float) -> list[int]:
    """Share samples out among partial solutions in proportion to ``exp(value / balance)``.

    The paper rounds each share by itself. Here the largest remainders are rounded up, so that the sum is
    exact; of equal remainders, that of the larger value, then the first.

    Args:
        samples: what there is to share out, at least 0.
        values: the value of each partial solution; at least one.
        balance: the temperature, above 0.

    Returns:
        A number for each value, at least 0, no smaller for a larger value; their sum is ``samples``.
    """
    highest = max(values)
    weights = [exp((value - highest) / balance) for value in values]
    total = sum(weights)
    exact = [samples * weight / total for weight in weights]
    shares = [floor(share) for share in exact]
    by_remainder = sorted(
        range(len(values)), key=lambda place: (shares[place] - exact[place], -values[place])
    )
    for place in by_remainder[: samples - sum(shares)]:
        shares[place] += 1
    return shares


REBASE = SearchMethod(
    Rebase,
    rebase,
    "samples shared out by value at each depth (REBASE)",
    answers=("value-vote", "best-value"),
    # A pass takes as many traces as it is wide: a wide one finishes nothing at small budgets.
    evaluation={"early_stop": False, "width": 4},
)
