"""Judging value models on trees of held-out problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from restmcts.aggregations import AGGREGATIONS
from restmcts.errors import PhaseError
from restmcts.evaluation.value_report import Judged, likelihoods
from restmcts.labels import any_correct
from restmcts.loops.run import Run
from restmcts.problems.problem import Problem
from restmcts.problems.splits import held_out
from restmcts.samples.trees import VerifiedTree, to_judge_by
from store.events import Step
from store.records import ValueSample

if TYPE_CHECKING:
    from restmcts.aggregations import Aggregation

ALMOST_CHANCE = 0.55
"""A value model that ranks good and bad steps no better than this gets a note, whatever the problems are."""

Prefixes = set[tuple[str, str]]
"""Partial solutions, by the name and the text of their tree."""


class Judge:
    """What value models are judged by: the held-out chains and the good steps in them.

    A step is a good one when a verified-correct trace passes through it; for a data set that knows the right
    steps, when it and all steps before are right. Where the value aggregates over the steps, it is compared
    with that, 1 or 0; otherwise with the label of the step.
    """

    def __init__(self, run: Run, searches: Sequence[str], samples: Sequence[ValueSample]) -> None:
        self.run = run
        self.samples = [sample for sample in samples if held_out(sample.problem)]
        problems = {problem.id: problem for problem in run.problems.train}
        trees = to_judge_by(run.trees(*searches))
        self.good = set(good_prefixes(trees, problems, run.data_set.right_step))

    def __call__(self, value: str) -> list[Judged]:
        """What the value model ``value`` says about the held-out steps."""
        from restmcts.training.value import predict_values

        models = self.run.recipe.models
        predictions = predict_values(
            self.run.folder(value),
            self.samples,
            max_length=self.run.recipe.value_training.max_length,
            device=models.device,
        )
        return list(judged_steps(self.samples, predictions, self.good, models.value_aggregation))


def judged_steps(
    samples: Sequence[ValueSample],
    predictions: Sequence[Sequence[float] | None],
    good: Prefixes,
    aggregation: Aggregation,
) -> Iterator[Judged]:
    """Every labelled step of the chains once, with what the value model said about it.

    Args:
        samples: the chains.
        predictions: a value for each step of each chain; None for a chain that the model cannot read.
        good: the partial solutions that are good.
        aggregation: how the value of a partial solution follows from those of its steps.
    """
    combine, by_step = AGGREGATIONS[aggregation], aggregation == "last"
    seen: Prefixes = set()
    for sample, predicted in zip(samples, predictions, strict=True):
        for place, likelihood in enumerate(likelihoods(sample.steps)):
            node = (sample.trees[0], _text(sample.steps[: place + 1]))
            label = sample.labels[place] if by_step else float(node in good)
            if node not in seen and label is not None and predicted is not None:
                estimate = combine(predicted[: place + 1])
                yield Judged(sample.problem, place + 1, estimate, label, node in good, likelihood)
            seen.add(node)


def good_prefixes(
    trees: Iterable[VerifiedTree],
    problems: Mapping[str, Problem],
    right_step: Callable[[Problem, str], bool | None],
) -> Iterator[tuple[str, str]]:
    """The good partial solutions of trees; ``right_step`` says what a data set knows about one."""
    for record, tree in trees:
        hits = any_correct(tree)
        problem = problems[record.header.problem]
        for node in tree.nodes[1:]:
            text = tree.text(node.id)
            known = right_step(problem, text)
            if hits[node.id] == 1.0 if known is None else known:
                yield record.header.id, text


def _text(steps: Sequence[Step]) -> str:
    return "".join(step.text for step in steps)


def check_ranking(run: Run, phase: str, figures: Mapping[str, float]) -> None:
    """Say so when a value model cannot tell good steps from bad ones; stop where the data set wants that.

    Raises:
        PhaseError: the data set takes no value model with this AUC.
    """
    ranking = figures.get("auc")
    if ranking is None:
        return
    message = f"{phase}: the value model ranks good above bad steps with AUC {ranking:.2f} on held-out trees"
    objection = run.data_set.check_value(run.recipe.problems, ranking)
    if objection is not None:
        raise PhaseError(f"{message}, {objection}")
    if ranking <= ALMOST_CHANCE:
        run.progress.note(f"{message}, about as well as chance; searches guided by it will not help")
