"""The samples that a first value model starts from."""

from __future__ import annotations

from collections import Counter
from random import Random
from types import SimpleNamespace
from typing import Any

from restmcts.iterate.labelling import BOOTSTRAP, correct_traces
from restmcts.iterate.training import first_errors, mistakes, perturbed_samples
from restmcts.recipe import BootstrapSettings
from store.events import (
    Cost,
    Critiqued,
    Event,
    Extended,
    Header,
    Result,
    SearchRecord,
    Step,
    Valued,
    Verified,
)
from store.records import PolicySample, ValueSample
from store.tree import fold

SOLVED = [
    PolicySample(f"p{number}", f"question {number}", steps, (), None, "demonstration")
    for number, steps in enumerate(
        tuple(Step(f"{number}.{place}\n") for place in range(4)) for number in range(3)
    )
]


def test_half_of_the_copies_are_whole_and_half_end_in_a_wrong_step() -> None:
    samples = list(perturbed_samples(SOLVED, 40, Random(3)))
    right = {solved.problem: solved.steps for solved in SOLVED}
    whole = [sample for sample in samples if sample.labels == (1.0,) * 4]
    wrong = [sample for sample in samples if sample.labels[-1] == 0.0]
    assert len(samples) == len(whole) + len(wrong) == 120
    assert all(sample.steps == right[sample.problem] for sample in whole)
    assert 40 <= len(wrong) <= 60
    for sample in wrong:
        last = len(sample.steps) - 1
        assert sample.labels == (1.0,) * last + (0.0,)
        assert sample.steps[:last] == right[sample.problem][:last]
        assert sample.steps[last].text != right[sample.problem][last].text
    assert {len(sample.steps) for sample in wrong} == {1, 2, 3, 4}


def test_every_other_wrong_step_is_a_known_mistake() -> None:
    known = {"0.2": [Step("near\n")]}
    samples = list(perturbed_samples(SOLVED[:1], 400, Random(3), known))
    ends = Counter(sample.steps[-1].text for sample in samples if sample.labels[-1] == 0.0)
    # A quarter of the copies takes mistakes, and a quarter of those stands at the step that has one.
    assert 15 <= ends["near\n"] <= 35
    assert all(
        len(sample.steps) == 3 and sample.labels == (1.0, 1.0, 0.0)
        for sample in samples
        if sample.steps[-1].text == "near\n"
    )
    assert sum(ends.values()) > 100


def test_no_copies_give_no_samples() -> None:
    assert list(perturbed_samples(SOLVED, 0, Random(1))) == []


def search(phase: str, traces: list[tuple[str, bool]], value: float | None = None) -> SearchRecord:
    """Independent traces of one-letter steps with their verdicts, each leaf with the same value."""
    events: list[Event] = [Extended(0, tuple(Step(letter) for letter in text)) for text, _ in traces]
    tree = fold(events)
    verdicts = dict(traces)
    leaves = [node.id for node in tree.nodes if tree.text(node.id) in verdicts]
    events += [Critiqued(leaf, True, tree.text(leaf)) for leaf in leaves]
    if value is not None:
        events.append(Valued(tuple(leaves), (value,) * len(leaves)))
    events.append(Verified(tuple(leaves), tuple(verdicts[tree.text(leaf)] for leaf in leaves)))
    header = Header(f"{phase}/0", phase, "p", "q", "1", "best-of-n", "majority", 1, "policy")
    result = Result(None, None, "samples", Cost(), len(tree.nodes), len(leaves))
    return SearchRecord(header, tuple(events), result)


def context(least_samples: int, *records: SearchRecord) -> Any:
    """As much of a context as reading trees takes."""
    bootstrap = BootstrapSettings(least_samples=least_samples)
    writer = SimpleNamespace(
        read_trees=lambda phase: (record for record in records if record.header.phase == phase)
    )
    return SimpleNamespace(recipe=SimpleNamespace(bootstrap=bootstrap), writer=writer)


TRACES = [("ab", True), ("ab", True), ("cd", True), ("ce", False), ("cf", False)]


def test_traces_that_too_few_samples_gave_are_not_learned_from() -> None:
    """Of the two traces with the right answer, cd came once: its step c is then the first error."""
    seen = context(2, search(BOOTSTRAP, TRACES))
    assert [text(sample) for sample in correct_traces(seen, [BOOTSTRAP])["p"]] == ["ab"]
    assert {text(sample): sample.labels for sample in first_errors(seen, BOOTSTRAP)} == {"c": (0.0,)}
    assert mistakes(seen, BOOTSTRAP) == {"a": [Step("c")]}
    all_of_them = context(1, search(BOOTSTRAP, TRACES))
    assert [text(sample) for sample in correct_traces(all_of_them, [BOOTSTRAP])["p"]] == ["ab", "cd"]
    assert mistakes(all_of_them, BOOTSTRAP) == {"d": [Step("e"), Step("f")]}


def test_only_the_unguided_trees_are_held_to_it() -> None:
    seen = context(2, search("1.search", TRACES, 0.5))
    assert [text(sample) for sample in correct_traces(seen, ["1.search"])["p"]] == ["ab", "cd"]


def test_the_most_valued_trace_comes_first_then_the_one_sampled_most() -> None:
    unguided = search(BOOTSTRAP, [("xy", True), ("ab", True), ("ab", True)])
    guided = search("1.search", [("cd", True)], 0.5)
    found = correct_traces(context(1, unguided, guided), [BOOTSTRAP, "1.search"])["p"]
    assert [(text(sample), sample.value) for sample in found] == [("cd", 0.5), ("ab", None), ("xy", None)]


def text(sample: PolicySample | ValueSample) -> str:
    return "".join(step.text for step in sample.steps)
