"""What the searches of an iteration offer to learn from: how good, and how different, their traces are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from store.tree import Tree

Hits = Callable[[Tree], Sequence[float | None]]
"""Says of each node of a tree whether a verified-correct trace passes through it: 1, 0, or None: unknown."""


@dataclass(slots=True)
class _Problems:
    """A figure of each problem, and what the value model said about each step."""

    right_shares: list[float] = field(default_factory=list)
    solved: list[bool] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    right_traces: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)


def data_figures(trees: Iterable[Tree], hits: Hits) -> dict[str, float]:
    """The figures of verified trees, one tree a problem; none where no tree has a verdict.

    A trace counts once for every sample that gave it. A problem without a finished trace counts as unsolved;
    one whose finished traces have no verdict is left out.

    Returns:
        ``data.pass_at_1``: the share of finished, verified traces that are right, a mean over problems;
        ``data.pass_at_k``: the share of problems with a right trace;
        ``data.distinct_answers``: distinct answers of a problem, a mean over problems;
        ``data.right_traces``: distinct right traces of a problem, a mean over problems;
        ``data.value_auc``: the AUC of the scores, as they were in the search, of steps on a right trace
        against steps below which only wrong traces lie. It is missing where either kind has no score.
    """
    found = _Problems()
    for tree in trees:
        _add(found, tree, hits)
    if not found.solved:
        return {}
    figures = {
        "data.pass_at_1": fmean(found.right_shares),
        "data.pass_at_k": fmean(found.solved),
        "data.distinct_answers": fmean(found.answers),
        "data.right_traces": fmean(found.right_traces),
    }
    ranking = auc(found.scores, found.hits)
    return figures if ranking is None else figures | {"data.value_auc": ranking}


def auc(scores: Sequence[float], hits: Sequence[float]) -> float | None:
    """The chance that what is right (1 in ``hits``) has a larger score than what is wrong (0).

    None where there is only one kind.
    """
    if len(set(hits)) < 2:
        return None
    # scikit-learn takes a second to import.
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(hits, scores))


def _add(found: _Problems, tree: Tree, hits: Hits) -> None:
    finished = tree.finished()
    verified = [node for node in finished if node.correct is not None]
    if finished and not verified:
        return
    right = [node for node in verified if node.correct]
    samples = sum(max(1, node.samples) for node in verified)
    found.right_shares.append(sum(max(1, node.samples) for node in right) / max(1, samples))
    found.solved.append(bool(right))
    found.answers.append(len({node.answer for node in finished if node.answer is not None}))
    found.right_traces.append(len({tree.text(node.id) for node in right}))
    scored = [(node.score, hit) for node, hit in zip(tree.nodes, hits(tree), strict=True)]
    for score, hit in scored:
        if score is not None and hit is not None:
            found.scores.append(score)
            found.hits.append(hit)
