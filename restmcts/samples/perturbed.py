"""What a first value model starts from: solved examples, copies with a wrong step, and first errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from restmcts.labels import first_error
from restmcts.problems.splits import held_out
from restmcts.samples.policy import correct_traces
from restmcts.samples.trees import VerifiedTree
from store.events import Step
from store.records import PolicySample, ValueSample


@dataclass(frozen=True, slots=True)
class Examples:
    """What the unguided trees of a base policy teach a first value model.

    Attributes:
        solved: the verified-correct traces of problems that are not held out.
        mistakes: the steps that the policy wrote in place of right ones, by the text of the right one. Such
            steps are near misses, which a value model has to tell from right steps; a step of another
            solution is easy to tell.
        first_errors: the steps at which sampled traces left the correct ones, each with the right steps
            before it.
    """

    solved: list[PolicySample]
    mistakes: dict[str, list[Step]]
    first_errors: list[ValueSample]


def examples(trees: Iterable[VerifiedTree]) -> Examples:
    """What the trees teach, in one pass over them."""
    mistakes: dict[str, list[Step]] = defaultdict(list)
    errors: list[ValueSample] = []

    def passed() -> Iterator[VerifiedTree]:
        for record, tree in trees:
            yield record, tree
            if not held_out(record.header.problem):
                labels = first_error(tree)
                _add_mistakes(mistakes, (record, tree), labels)
                errors.extend(_first_errors((record, tree), labels))

    solved = [
        trace
        for problem, traces in correct_traces(passed()).items()
        for trace in traces
        if not held_out(problem)
    ]
    return Examples(solved, {text: steps for text, steps in mistakes.items() if steps}, errors)


def _add_mistakes(found: dict[str, list[Step]], pair: VerifiedTree, labels: Sequence[float | None]) -> None:
    tree = pair[1]
    for node in tree.nodes:
        children = tree.children(node.id)
        wrong = [child.step for child in children if labels[child.id] == 0.0 and child.step]
        for child in children:
            if labels[child.id] == 1.0 and child.step:
                found[child.step.text.strip()] += wrong


def _first_errors(pair: VerifiedTree, labels: Sequence[float | None]) -> Iterator[ValueSample]:
    record, tree = pair
    for node in tree.nodes[1:]:
        if labels[node.id] == 0.0:
            steps = tuple(tree.steps(node.id))
            values = (1.0,) * (len(steps) - 1) + (0.0,)
            yield ValueSample(record.header.problem, record.header.question, steps, values, ())


def perturbed_samples(
    solved: Sequence[PolicySample],
    copies: int,
    random: Random,
    mistakes: Mapping[str, Sequence[Step]] | None = None,
) -> Iterator[ValueSample]:
    """``copies`` of each solved example: every other one whole, the rest ending in a wrong step.

    Right steps have the label 1. A wrong step stands in place of a step drawn at random; its label is 0. In
    turns it is a step of any solved example, and one of the ``mistakes`` that are known for a right step of
    this text, where there are any. A drawn step with the text of the right one leaves the copy whole. Whole
    copies are there so that late steps are not seen wrong more often than early ones (paper, Section 3.2).
    """
    known = mistakes or {}
    pool = [step for sample in solved for step in sample.steps]
    for sample in solved:
        steps = sample.steps
        for number in range(copies):
            place = random.randrange(len(steps))
            likely = known.get(steps[place].text.strip(), pool)
            wrong = random.choice(likely if number % 4 == 3 else pool)
            if number % 2 == 0 or wrong.text.strip() == steps[place].text.strip():
                yield ValueSample(sample.problem, sample.prompt, steps, (1.0,) * len(steps), ())
            else:
                chain = (*steps[:place], wrong)
                yield ValueSample(sample.problem, sample.prompt, chain, (1.0,) * place + (0.0,), ())
