"""Phases that turn verified trees into training data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from restmcts.errors import PhaseError
from restmcts.iterate.context import Context, Summary
from restmcts.labels import LABEL_RULES, Labels, rest_mcts, without_rare_answers
from restmcts.problems.problem import Problem
from restmcts.recipe import BootstrapSettings
from restmcts.seeds import derive_seed
from store.events import SearchRecord, Step
from store.records import PolicySample, ValueSample
from store.tree import Node, Tree, fold

PAPER_RULE = "rest-mcts"
"""The paper's quality values are always inferred and stored beside the rule that is trained on."""

BOOTSTRAP = "0.search"
"""The phase of the unguided trees of the base policy."""


def verified_trees(context: Context, search: str) -> Iterator[tuple[SearchRecord, Tree]]:
    """The searches of a phase with the trees that are learned from.

    Correct traces of the bootstrap count where ``bootstrap.least_samples`` samples gave them.
    """
    least = least_samples(context.recipe.bootstrap, search)
    return trees_to_learn_from(context.writer.read_trees(search), least)


def least_samples(bootstrap: BootstrapSettings, search: str) -> int:
    """How many samples have to give a correct trace of the phase ``search`` for it to count as correct."""
    return bootstrap.least_samples if search == BOOTSTRAP else 1


def trees_to_learn_from(
    records: Iterable[SearchRecord], least_samples: int
) -> Iterator[tuple[SearchRecord, Tree]]:
    """Each search with its tree, in which correct traces of fewer samples count as unverified."""
    for record in records:
        tree = fold(record.events)
        yield record, tree if least_samples == 1 else without_rare_answers(tree, least_samples)


def label_phase(context: Context, phase: str, search: str) -> Summary:
    """Label the trees of the phase ``search``; writes the labels and the value samples.

    Raises:
        PhaseError: no tree has a label.
    """
    rule = context.recipe.labels.rule
    label = context.recipe.labels.build()
    context.note_uses(phase, LABEL_RULES, [rule])
    labelled: list[tuple[str, Labels]] = []
    paper: list[tuple[str, Labels]] = []
    samples: list[ValueSample] = []
    for record, tree in verified_trees(context, search):
        labels = label(tree)
        labelled.append((record.header.id, labels))
        paper.append((record.header.id, rest_mcts(tree)))
        samples.extend(value_samples(record, tree, labels))
    if not samples:
        raise PhaseError(
            f"{phase}: the rule {rule!r} labels no step of the {len(labelled)} trees of {search}: no tree"
            " has a correct answer; search longer, with a better policy, or on easier problems"
        )
    context.writer.write_labels(search, rule, labelled)
    if rule != PAPER_RULE:
        context.writer.write_labels(search, PAPER_RULE, paper)
    context.writer.write_samples(phase, samples)
    steps = sum(value is not None for _, labels in labelled for value in labels)
    trees = sum(any(value is not None for value in labels) for _, labels in labelled)
    return {"rule": rule, "trees": trees, "labelled_steps": steps, "chains": len(samples)}


def value_samples(record: SearchRecord, tree: Tree, labels: Labels) -> Iterator[ValueSample]:
    """One row for every chain from the root to a leaf that has a label on it."""
    for leaf in tree.nodes[1:]:
        if leaf.children:
            continue
        path = tree.path(leaf.id)
        on_path = tuple(labels[node.id] for node in path)
        if any(label is not None for label in on_path):
            yield ValueSample(
                problem=record.header.problem,
                question=record.header.question,
                steps=tuple(_steps(path)),
                labels=on_path,
                trees=(record.header.id,),
            )


def _steps(path: Iterable[Node]) -> Iterator[Step]:
    return (node.step for node in path if node.step is not None)


def select_phase(context: Context, phase: str, searches: Sequence[str]) -> Summary:
    """Choose the traces that the policy learns from, out of ``searches``; writes the policy samples.

    Raises:
        PhaseError: no trace is kept.
    """
    selection = context.recipe.selection
    found = correct_traces(context, searches)
    kept: list[PolicySample] = []
    for traces in found.values():
        if selection.by == "rank":
            kept.extend(traces[: selection.top])
        else:
            kept.extend(sample for sample in traces if (sample.value or 0.0) >= selection.threshold)
    total = sum(map(len, found.values()))
    if not kept:
        best = max((sample.value or 0.0 for traces in found.values() for sample in traces), default=None)
        reason = (
            "no tree has a correct answer: search longer, or start from a better policy"
            if best is None
            else f"the largest value of {total} correct traces is {best:.3f}, below"
            f" selection.threshold = {selection.threshold}: lower it or set selection.by to rank"
        )
        raise PhaseError(f"{phase}: no trace is kept: {reason}")
    mixed = demonstration_samples(context, phase, round(len(kept) * selection.demonstrations))
    context.writer.write_samples(phase, [*kept, *mixed])
    return {
        "correct_traces": total,
        "kept": len(kept),
        "problems": len(found),
        "demonstrations": len(mixed),
    }


def correct_traces(context: Context, searches: Sequence[str]) -> dict[str, list[PolicySample]]:
    """The distinct verified-correct traces of each problem, with the value that the tree gives them.

    The most valued come first, and of equal ones those that more samples gave.
    """
    found: dict[str, dict[str, PolicySample]] = defaultdict(dict)
    samples: Counter[tuple[str, str]] = Counter()
    for record, tree in (pair for search in searches for pair in verified_trees(context, search)):
        problem = record.header.problem
        for node in (node for node in tree.finished() if node.correct):
            text = tree.text(node.id)
            known = found[problem].get(text)
            value = node.value if node.score is not None else None
            samples[problem, text] += node.samples
            found[problem][text] = PolicySample(
                problem=problem,
                prompt=record.header.question,
                steps=tuple(tree.steps(node.id)),
                trees=(*(known.trees if known else ()), record.header.id),
                value=value if known is None else max(value or 0.0, known.value or 0.0),
                kind="trace",
            )
    return {
        problem: [
            traces[text]
            for text in sorted(
                traces, key=lambda text: (-(traces[text].value or 0.0), -samples[problem, text])
            )
        ]
        for problem, traces in found.items()
    }


def demonstration_samples(context: Context, phase: str, count: int) -> list[PolicySample]:
    """``count`` worked solutions of the training data, drawn with replacement once all are used.

    Raises:
        PhaseError: demonstrations are wanted, but no training problem has a solution.
    """
    pool = context.problems.demonstrations
    if count == 0:
        return []
    if not pool:
        raise PhaseError(
            f"{phase}: selection.demonstrations mixes in worked solutions, but no training problem has a"
            " 'solution'"
        )
    random = Random(derive_seed(context.recipe.seed, phase, "demonstrations"))
    order = random.sample(pool, len(pool))
    return [demonstration(order[number % len(order)]) for number in range(count)]


def demonstration(problem: Problem) -> PolicySample:
    """A worked solution as a policy sample; its steps are tokenized when they are trained on."""
    assert problem.solution is not None
    lines = [line for line in problem.solution.splitlines(keepends=True) if line.strip()]
    last = len(lines) - 1
    steps = tuple(Step(line, ended=place == last) for place, line in enumerate(lines))
    return PolicySample(problem.id, problem.text, steps, (), None, "demonstration")
