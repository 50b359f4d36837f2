"""Judging value models on trees of held-out problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from restmcts.errors import PhaseError
from restmcts.labels import any_correct, rest_mcts
from restmcts.loops.run import Run
from restmcts.problems.problem import Problem
from restmcts.problems.splits import held_out
from restmcts.samples.judged import Judging, Truth
from restmcts.samples.trees import VerifiedTree, to_judge_by
from store.records import ValueSample

if TYPE_CHECKING:
    from restmcts.evaluation.values.value_report import Ranking, ValueReport

Prefix = tuple[str, str]
"""A partial solution, by the name and the text of its tree."""

Known = tuple[bool | None, float | None]
"""Whether a partial solution is right, and its quality value by ``rest-mcts``; None where unknown."""


class Judge:
    """What value models are judged by: the held-out chains, and what is known about their steps.

    A step is a right one when a verified-correct trace passes through it, and a wrong one when only wrong
    ones do; for a data set that knows the right steps, a step is right when all steps up to it are. Where
    the value aggregates over the steps, it is compared with that, 1 or 0, at every step, whatever the value
    model has learned from; otherwise with the label of the step, where it has one.
    """

    def __init__(self, run: Run, searches: Sequence[str], samples: Sequence[ValueSample]) -> None:
        self.run = run
        self.samples = [sample for sample in samples if held_out(sample.problem)]
        problems = {problem.id: problem for problem in run.problems.train}
        known = known_prefixes(to_judge_by(run.trees(*searches)), problems, run.data_set.right_step)
        self.truths = [truth(sample, known) for sample in self.samples]

    def __call__(self, value: str) -> ValueReport | None:
        """The figures of the value model ``value`` on the held-out steps; None where no step has a label."""
        from restmcts.evaluation.values.value_report import value_report
        from restmcts.training.values.held_out import predict_values

        models = self.run.recipe.models
        predictions = predict_values(
            self.run.folder(value),
            self.samples,
            max_length=self.run.recipe.value_training.max_length,
            device=models.device,
        )
        judging = Judging(self.samples, self.truths, predictions, models.value_aggregation)
        rows = list(judging.steps())
        return value_report(rows, list(judging.chains())) if rows else None


def known_prefixes(
    trees: Iterable[VerifiedTree],
    problems: dict[str, Problem],
    right_step: Callable[[Problem, str], bool | None],
) -> dict[Prefix, Known]:
    """What is known about each partial solution of the trees.

    Args:
        right_step: what a data set knows about a partial solution.
    """
    found: dict[Prefix, Known] = {}
    for record, tree in trees:
        hits, quality = any_correct(tree), rest_mcts(tree)
        problem = problems[record.header.problem]
        for node in tree.nodes[1:]:
            text, hit = tree.text(node.id), hits[node.id]
            right = right_step(problem, text)
            if right is None and hit is not None:
                right = hit == 1.0
            place = record.header.id, text
            if not found.get(place, (None, None))[0]:  # of nodes with equal texts a right one counts
                found[place] = right, quality[node.id]
    return found


def truth(sample: ValueSample, known: dict[Prefix, Known]) -> Truth:
    """What is known about the steps of a chain."""
    texts = accumulate(step.text for step in sample.steps)
    found = [known[sample.trees[0], text] for text in texts]
    return Truth(tuple(right for right, _ in found), tuple(quality for _, quality in found))


def describe(phase: str, ranking: Ranking) -> str:
    """How well a value model ranks held-out steps, with the interval."""
    found = ranking.value
    assert found is not None
    return (
        f"{phase}: the value model ranks good above bad steps with AUC {found.value:.2f}"
        f" ({found.low:.2f}–{found.high:.2f}) on held-out trees"
    )


def check_ranking(run: Run, phase: str, ranking: Ranking) -> None:
    """Say so when a value model cannot tell good steps from bad ones; stop where the data set wants that.

    Raises:
        PhaseError: the data set takes no value model with this AUC.
    """
    if ranking.value is None:
        run.progress.note(
            f"{phase}: {ranking.good} good and {ranking.bad} bad held-out steps are too few to say whether"
            " the value model tells them apart; searches guided by it may be no better than chance"
        )
        return
    objection = run.data_set.check_value(run.recipe.problems, ranking.value.value)
    if objection is not None:
        raise PhaseError(f"{describe(phase, ranking)}, {objection}")
    if ranking.at_chance:
        run.progress.note(
            f"{describe(phase, ranking)}, which cannot be told from chance;"
            " searches guided by it will hardly help"
        )


def worse(new: ValueReport, before: ValueReport | None) -> str | None:
    """Why a new value model is not carried on in place of the one before; None where it is.

    It misses held-out labels by more, or it ranks like chance where the one before does not.
    """
    if before is None:
        return None
    if new.overall.at_chance and before.overall.at_chance is False:
        return "ranks held-out steps about as well as chance, and the one before does better"
    error, earlier = new.squared_error.value, before.squared_error.value
    if error > earlier:
        return f"misses held-out labels by {error:.4f} (squared), the one before by {earlier:.4f}"
    return None
