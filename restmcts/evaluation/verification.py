"""How well verifiers choose among the same sampled traces (paper, Table 4), from stored searches alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from restmcts.evaluation.means import Differences, Outcomes, mean_of
from restmcts.evaluation.reading.budgets import answers_at
from restmcts.evaluation.statistics import Interval, wilson
from restmcts.evaluation.values.judged import Judged, likelihoods
from restmcts.evaluation.values.value_report import value_report
from store.events import SearchRecord
from store.tree import Node, Tree, fold

Verdicts = Mapping[str, bool | None]
"""Whether the answer to each problem is right, by the name of the problem; None without a verdict."""

Score = Callable[[Tree, Node], float | None]
"""What nodes of a tree are ranked by; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The same searches answered by several rules: verdicts by rule, and mean tokens a problem."""

    verdicts: dict[str, dict[str, bool | None]]
    policy_tokens: float
    value_tokens: float


def answered(records: Iterable[SearchRecord], rules: Sequence[str]) -> Answered:
    """Answer verified searches by each of the rules."""
    verdicts: dict[str, dict[str, bool | None]] = {rule: {} for rule in rules}
    policy: list[int] = []
    value: list[int] = []
    for record in records:
        for rule, (answer,) in answers_at(record, [None], rules).items():
            verdicts[rule][record.header.problem] = answer.correct
        policy.append(record.result.cost.generated)
        value.append(record.result.cost.value)
    return Answered(verdicts, fmean(policy), fmean(value))


def accuracy(verdicts: Verdicts) -> Interval:
    """The share of right answers with its Wilson interval, over the problems with a verdict."""
    reached = [verdict for verdict in verdicts.values() if verdict is not None]
    return wilson(sum(reached), len(reached))


def against(first: Verdicts, second: Verdicts) -> dict[str, float]:
    """How much more often ``first`` is right than ``second`` on the same problems.

    Returns:
        ``difference`` with the bounds ``low`` and ``high`` of its 95 % interval, and ``p`` of the exact
        McNemar test. Empty without a problem that both have a verdict on.
    """
    differences: Outcomes = {
        (name, ""): int(ours) - int(theirs)
        for name, ours in first.items()
        if ours is not None and (theirs := second.get(name)) is not None
    }
    if not differences:
        return {}
    both = Differences([differences])
    found = both.interval()
    return {"difference": found.value, "low": found.low, "high": found.high, "p": both.p_value}


def right_shares(records: Iterable[SearchRecord]) -> dict[str, float]:
    """The share of right traces of each problem; traces that never finish are wrong."""
    return {record.header.problem: _share_right(fold(record.events)) for record in records}


def pass_at_1(shares: Mapping[str, float]) -> Interval:
    """The mean over problems of their shares of right traces; the interval is the bootstrap over problems."""
    return mean_of([{(name, ""): share for name, share in shares.items()}])


def _share_right(tree: Tree) -> float:
    ends = [tree.nodes[leaf].correct is True for leaf in tree.traces.get(0, [])]
    return fmean(ends) if ends else 0.0


def any_right(records: Iterable[SearchRecord]) -> dict[str, bool | None]:
    """Whether any trace of each problem is right: what the best choice would reach (pass@k)."""
    found = {}
    for record in records:
        verdicts = [node.correct for node in fold(record.events).finished()]
        unsure = None in verdicts and True not in verdicts
        found[record.header.problem] = None if unsure else True in verdicts
    return found


def value_of(tree: Tree, node: Node) -> float | None:
    """The value of a partial solution; None where it was not asked for."""
    return node.score


def log_probability(tree: Tree, node: Node) -> float | None:
    """The log-probability of a partial solution under the policy, which ranks without a value model."""
    return likelihoods(tree.steps(node.id))[-1]


def trace_auc(trees: Iterable[tuple[SearchRecord, Tree]], score: Score = value_of) -> dict[str, float]:
    """How well the scores of whole traces tell right answers from wrong ones; see :func:`ranking`."""
    return ranking(
        (record.header.problem, score(tree, node), node.correct)
        for record, tree in trees
        for node in tree.finished()
        if node.correct is not None
    )


def step_auc(
    trees: Iterable[tuple[SearchRecord, Tree, set[int]]], score: Score = value_of
) -> dict[str, float]:
    """How well the scores of partial solutions tell good ones from others; see :func:`ranking`.

    Args:
        trees: searches with the numbers of their good nodes.
        score: what partial solutions are ranked by.
    """
    return ranking(
        (record.header.problem, score(tree, node), node.id in good)
        for record, tree, good in trees
        for node in tree.nodes[1:]
    )


def ranking(rows: Iterable[tuple[str, float | None, bool]]) -> dict[str, float]:
    """The AUC of scores: ``auc`` with the bounds ``low`` and ``high`` of its 95 % interval.

    Empty where a score is unknown, and where there are too few good or bad ones for an AUC.

    Args:
        rows: the problem, the score and whether it is a good one, for each node once. Problems are resampled
            for the interval.
    """
    judged = []
    for problem, score, good in rows:
        if score is None:
            return {}
        judged.append(Judged(problem, 1, score, float(good), good))
    found = value_report(judged, repeats=200).overall.value if judged else None
    return {} if found is None else {"auc": found.value, "low": found.low, "high": found.high}
