"""What a policy learns from: verified-correct traces and worked solutions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from random import Random

from restmcts.problems.problem import Problem
from restmcts.samples.trees import VerifiedTree
from store.events import Step
from store.records import PolicySample

Traces = Mapping[str, Sequence[PolicySample]]
"""The distinct correct traces of each problem, by the name of the problem."""


def correct_traces(trees: Iterable[VerifiedTree]) -> dict[str, list[PolicySample]]:
    """The distinct verified-correct traces of each problem, with the value that the tree gives them.

    The trace with the largest value comes first; of traces with equal values, the one that more samples gave.
    """
    found: dict[str, dict[str, PolicySample]] = defaultdict(dict)
    samples: Counter[tuple[str, str]] = Counter()
    for record, tree in trees:
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
        problem: sorted(
            traces.values(),
            key=lambda trace: (-(trace.value or 0.0), -samples[trace.problem, text_of(trace)]),
        )
        for problem, traces in found.items()
    }


def text_of(sample: PolicySample) -> str:
    """The text of a trace."""
    return "".join(step.text for step in sample.steps)


def by_rank(found: Traces, top: int) -> list[PolicySample]:
    """The ``top`` first traces of each problem."""
    return [trace for traces in found.values() for trace in traces[:top]]


def by_threshold(found: Traces, threshold: float) -> list[PolicySample]:
    """The traces whose value is at least ``threshold``."""
    return [trace for traces in found.values() for trace in traces if (trace.value or 0.0) >= threshold]


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
