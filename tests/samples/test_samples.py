"""The samples that a first value model starts from."""

from __future__ import annotations

from collections import Counter
from random import Random

from restmcts.loops.run import BOOTSTRAP, least_samples
from restmcts.recipe import BootstrapSettings
from restmcts.samples.perturbed import Examples, examples, perturbed_samples
from restmcts.samples.policy import correct_traces
from restmcts.samples.trees import verified_trees
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


TRACES = [("ab", True), ("ab", True), ("cd", True), ("ce", False), ("cf", False)]


def learned_from(least_samples: int, *records: SearchRecord) -> Examples:
    return examples(verified_trees(records, least_samples))


def test_traces_that_too_few_samples_gave_are_not_learned_from() -> None:
    """Of the two traces with the right answer, cd came once: its step c is then the first error."""
    seen = learned_from(2, search("0.search", TRACES))
    assert [text(sample) for sample in seen.solved] == ["ab"]
    assert {text(sample): sample.labels for sample in seen.first_errors} == {"c": (0.0,)}
    assert seen.mistakes == {"a": [Step("c")]}
    all_of_them = learned_from(1, search("0.search", TRACES))
    assert [text(sample) for sample in all_of_them.solved] == ["ab", "cd"]
    assert all_of_them.mistakes == {"d": [Step("e"), Step("f")]}


def test_only_the_unguided_trees_are_held_to_it() -> None:
    bootstrap = BootstrapSettings(least_samples=2)
    assert least_samples(bootstrap, BOOTSTRAP) == 2
    assert least_samples(bootstrap, "1.search") == 1


def test_the_most_valued_trace_comes_first_then_the_one_sampled_most() -> None:
    unguided = search("0.search", [("xy", True), ("ab", True), ("ab", True)])
    guided = search("1.search", [("cd", True)], 0.5)
    found = correct_traces(verified_trees([unguided, guided], 1))["p"]
    assert [(text(sample), sample.value) for sample in found] == [("cd", 0.5), ("ab", None), ("xy", None)]


def text(sample: PolicySample | ValueSample) -> str:
    return "".join(step.text for step in sample.steps)
