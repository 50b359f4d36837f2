"""What a policy learns from: verified-correct traces and worked solutions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from restmcts.problems.problem import Problem
from restmcts.samples.trees import VerifiedTree
from store.events import Step
from store.records import PolicySample

Traces = Mapping[str, Sequence[PolicySample]]
"""The distinct correct traces of each problem, by the name of the problem."""


@dataclass(frozen=True, slots=True)
class Found:
    """What trees have found.

    Attributes:
        traces: the distinct verified-correct traces of each problem. The one with the largest value comes
            first; of traces with equal values, the one that more samples gave.
        samples: how many samples gave each correct trace, by problem and text.
        verified: the samples of each problem that have a verdict.
        right: those of them that are right.
    """

    traces: dict[str, list[PolicySample]]
    samples: Counter[tuple[str, str]]
    verified: Counter[str]
    right: Counter[str]

    def right_share(self, problem: str) -> float:
        """The share of the verified samples of a problem that are right; 0 where none is verified."""
        return self.right[problem] / max(1, self.verified[problem])


def correct_traces(trees: Iterable[VerifiedTree]) -> dict[str, list[PolicySample]]:
    """The distinct verified-correct traces of each problem; see :class:`Found`."""
    return find(trees).traces


def find(trees: Iterable[VerifiedTree]) -> Found:
    """The correct traces of the trees, with the values that the trees give them."""
    found: dict[str, dict[str, PolicySample]] = defaultdict(dict)
    samples: Counter[tuple[str, str]] = Counter()
    verified: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for record, tree in trees:
        problem = record.header.problem
        for node in tree.finished():
            if node.correct is None:
                continue
            verified[problem] += max(1, node.samples)
            if not node.correct:
                continue
            right[problem] += max(1, node.samples)
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
    ordered = {
        problem: sorted(
            traces.values(),
            key=lambda trace: (-(trace.value or 0.0), -samples[trace.problem, text_of(trace)]),
        )
        for problem, traces in found.items()
    }
    return Found(ordered, samples, verified, right)


def text_of(sample: PolicySample) -> str:
    """The text of a trace."""
    return "".join(step.text for step in sample.steps)


def demonstrations(pool: Sequence[Problem], count: int, random: Random) -> list[PolicySample]:
    """``count`` worked solutions in a random order; with replacement once all of them are used."""
    if count == 0:
        return []
    order = random.sample(pool, len(pool))
    return [demonstration(order[number % len(order)]) for number in range(count)]


def demonstration(problem: Problem) -> PolicySample:
    """A worked solution as a policy sample; its steps are tokenized when they are trained on."""
    assert problem.solution is not None
    lines = [line for line in problem.solution.splitlines(keepends=True) if line.strip()]
    last = len(lines) - 1
    steps = tuple(Step(line, ended=place == last) for place, line in enumerate(lines))
    return PolicySample(problem.id, problem.text, steps, (), None, "demonstration")
