"""The phases that train value models; each is done once, and returns its stored result from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from restmcts.loops.checks import check_trainable
from restmcts.loops.phases import LabelledTrees, bootstrap, label
from restmcts.loops.results import Labelled, Searched, Trained, TrainedValue
from restmcts.loops.run import START, Run
from restmcts.loops.work.answers import AnswerConstantsWriter
from restmcts.loops.work.judging import Judge, check_ranking, worse
from restmcts.loops.work.training import record_checkpoint, record_figures, start_value, tune_value


def start_value_model(run: Run, searched: Searched, policy: str, labels: Labelled | None = None) -> Trained:
    """Train a first value model on solved examples and their perturbed steps (paper, Section 3.2).

    Args:
        labels: the labels of the trees that it is judged on, if it is to be judged.
    """

    def work(phase: str) -> Trained:
        beside = None if labels is None else AnswerConstantsWriter(run, phase, [searched.phase])
        trained = start_value(run, phase, search=searched.phase, policy=policy, beside=beside)
        figures: dict[str, float] = {}
        if labels is not None:
            report = Judge(run, [searched.phase], run.value_samples(labels.phase))(trained.checkpoint)
            figures = {} if report is None else report.metrics()
        record_checkpoint(run, 0, START, trained, carried=True, **figures)
        record_figures(run, phase, 0, figures)
        return replace(trained, metrics=trained.metrics | figures)

    return run.phase("0.start-value", "train", 0, Trained, work)


def train_value(
    run: Run, iteration: int, memory: Sequence[LabelledTrees], parent: str, before: str | None
) -> TrainedValue:
    """Train a value model on labelled trees, judge it on held-out ones, and decide whether it is carried on.

    Args:
        memory: the trees that it learns from.
        parent: the model that the training starts from.
        before: the value model so far; the new one is carried on if it is not worse (:func:`judging.worse`).
            None: there is none, and the new one is carried on.
    """

    def work(phase: str) -> TrainedValue:
        labelled = [trees.labels.phase for trees in memory]
        samples = run.value_samples(*labelled)
        searches = [trees.search.phase for trees in memory]
        beside = AnswerConstantsWriter(run, phase, searches)
        trained = tune_value(run, phase, iteration, samples, parent, beside=beside)
        trained = replace(trained, samples_from=labelled)
        judge = Judge(run, searches, samples)
        return _judged(run, phase, iteration, trained, judge, before)

    return run.phase(f"{iteration}.train-value", "train", iteration, TrainedValue, work)


def _judged(
    run: Run, phase: str, iteration: int, trained: Trained, judge: Judge, before: str | None
) -> TrainedValue:
    report = judge(trained.checkpoint)
    if report is None:
        run.progress.note(
            f"iteration {iteration}: no held-out tree has a label; the value model is not judged"
        )
        record_checkpoint(run, iteration, "value", trained, carried=True)
        return TrainedValue(**vars(trained), value=trained.checkpoint, carried=True)
    check_ranking(run, phase, report.overall)
    objection = None if before is None else worse(report, judge(before))
    figures = report.metrics()
    record_checkpoint(run, iteration, "value", trained, carried=objection is None, **figures)
    record_figures(run, phase, iteration, figures)
    if objection is not None:
        run.progress.note(
            f"iteration {iteration}: the new value model {objection}; it is kept in the store, but not"
            " carried on"
        )
    value = trained.checkpoint if objection is None or before is None else before
    known = vars(trained) | {"metrics": trained.metrics | figures}
    return TrainedValue(**known, value=value, carried=objection is None)


def first_value(run: Run, policy: str) -> tuple[str, list[LabelledTrees]]:
    """V_0, from unguided trees of the base policy; and the trees that value models learn from.

    Where there is a start stage, V_0 is its model, unless training on the trees made that model better.

    Raises:
        InputError: a value model would have to be trained, and cannot be.
    """
    given = run.recipe.models.value_name
    if given is not None:
        return given, []
    check_trainable(run.recipe.models)
    searched = bootstrap(run, policy)
    trees = label(run, 0, searched)
    if not run.recipe.bootstrap.perturbed:
        return train_value(run, 0, [trees], policy, None).value, [trees]
    start = start_value_model(run, searched, policy, trees.labels).checkpoint
    return train_value(run, 0, [trees], start, start).value, [trees]
