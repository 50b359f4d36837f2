"""Self-Rewarding: what is judged, what is paired, what it may take, and that the oracle takes no part."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from pathlib import Path
from typing import Any

import orjson
import pytest

from restmcts.errors import InputError, PhaseError
from restmcts.loops.run import Run
from restmcts.loops.work.self_judgement import RULE, SelfJudgement, likelihood
from restmcts.problems.splits import Splits
from restmcts.recipe import Recipe
from store.events import Step
from store.records import PreferenceSample
from store.runs.reading import read_labels
from tests.loops.scripted import BASE, TRACE, Heard, Scripts, opened, recipe, splits, to_the_end

SAMPLES, LONGEST = 4, 10


def wanted(tokens: int | None = None, **settings: Any) -> Recipe:
    own = {"samples": SAMPLES, "judgements": 2, "judge_tokens": LONGEST, **settings}
    generation = {} if tokens is None else {"tokens": tokens}
    return recipe(loop="self-rewarding", loop_settings=own, generation=generation, iterations=1)


def summary(run: Run, phase: str) -> dict[str, Any]:
    return run.writer.phase_summary(phase)


def pairs(root: Path, made: Recipe, problems: Splits | None = None) -> list[PreferenceSample]:
    with opened(root, made, problems) as run:
        return run.preference_samples("1.pair")


def test_judgements_are_labels_of_finished_nodes_and_make_the_pairs(scripts: Scripts, tmp_path: Path) -> None:
    made = wanted()
    to_the_end(tmp_path, made)
    with opened(tmp_path, made) as run:
        labels = dict(read_labels(run.writer.layout, "1.search", RULE))
        trees = {record.header.id: tree for record, tree in run.trees("1.search")}
        judged, paired = summary(run, "1.judge"), summary(run, "1.pair")
        trained = summary(run, "1.train-policy")
    assert labels.keys() == trees.keys()
    known = 0
    for name, tree in trees.items():
        for node, label in zip(tree.nodes, labels[name], strict=True):
            assert label is None or (node.finished and 0 <= label <= 1)
            known += label is not None
    assert (judged["search"], judged["judged"]) == ("1.search", known)
    assert judged["unreadable"] > 0
    samples = pairs(tmp_path, made)
    for sample in samples:
        (name,) = sample.trees
        tree, rated = trees[name], labels[name]
        scores = {
            tree.text(node.id): rated[node.id] or 0.0
            for node in tree.finished()
            if rated[node.id] is not None
        }
        texts = ["".join(step.text for step in steps) for steps in (sample.chosen, sample.rejected)]
        assert scores[texts[0]] == max(scores.values())
        assert scores[texts[1]] == min(scores.values())
        assert sample.margin == pytest.approx(max(scores.values()) - min(scores.values()))
        assert sample.margin is not None and sample.margin > 0
    assert len(samples) == paired["pairs"] > 3
    assert (paired["searches"], trained["samples_from"]) == (["1.search"], ["1.pair"])
    assert trained["parent"] == BASE


def test_the_oracle_answers_take_no_part_in_the_pairs(scripts: Scripts, tmp_path: Path) -> None:
    problems = splits()
    others = replace(problems, train=[replace(problem, answer="2") for problem in problems.train])
    made = wanted()
    to_the_end(tmp_path / "a", made)
    to_the_end(tmp_path / "b", made, problems=others)
    assert pairs(tmp_path / "a", made) == pairs(tmp_path / "b", made, others) != []


def metrics(root: Path) -> dict[str, float]:
    with opened(root, wanted()) as run:
        lines = run.writer.layout.metrics.read_text().splitlines()
    return {row["name"]: row["value"] for row in map(orjson.loads, lines)}


def test_how_right_the_pairs_are_is_measured(scripts: Scripts, tmp_path: Path) -> None:
    to_the_end(tmp_path, wanted())
    found = metrics(tmp_path)
    assert {"judge.auc", "pairs.chosen_right", "pairs.rejected_right", "data.pass_at_1"} <= found.keys()
    assert all(0 <= found[name] <= 1 for name in found if name.startswith(("judge.", "pairs.")))


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_sampling_and_judging_share_the_tokens(scripts: Scripts, tmp_path: Path, share: float) -> None:
    made = wanted(800, judge_share=share)
    to_the_end(tmp_path, made)
    with opened(tmp_path, made) as run:
        searched, judged = summary(run, "1.search"), summary(run, "1.judge")
        assert isinstance(run.progress, Heard)
    assert searched["policy_tokens"] <= 800 - round(800 * share)
    assert judged["policy_tokens"] == judged["critic_tokens"] <= round(800 * share)
    assert 800 - round(800 * share) - searched["policy_tokens"] < SAMPLES * TRACE


def test_judging_stops_where_its_tokens_end(scripts: Scripts, tmp_path: Path) -> None:
    made = wanted(1400, judge_share=0.05)
    to_the_end(tmp_path, made)
    with opened(tmp_path, made) as run:
        assert summary(run, "1.judge")["judged"] < summary(run, "1.search")["answers"]
        assert 70 - summary(run, "1.judge")["policy_tokens"] < 2 * LONGEST
    with pytest.raises(InputError, match="10 tokens for judging do not pay for one trace, which may take 20"):
        to_the_end(tmp_path / "less", wanted(200, judge_share=0.05))


def test_a_policy_that_cannot_judge_is_told(scripts: Scripts, tmp_path: Path) -> None:
    scripts.marker = {"readable": 0}
    with pytest.raises(PhaseError, match=r'is judged \(\d+ judgements are unreadable\).*"likelihood"'):
        to_the_end(tmp_path, wanted())


def test_a_likelihood_is_a_mean_over_tokens() -> None:
    steps = [Step("a", (1, 2, 3), -0.6), Step("b", (4,), -1.0, ended=True)]
    assert likelihood(steps) == pytest.approx(exp(-0.4))
    assert likelihood([Step("a", (1,), -0.1), Step("b", (2,), None)]) is None
    assert likelihood([Step("a", (), -0.1)]) is None
    assert likelihood([]) is None


def test_a_judge_by_likelihood_takes_no_tokens(scripts: Scripts, tmp_path: Path) -> None:
    made = wanted(300, judge="likelihood")
    to_the_end(tmp_path, made)
    with opened(tmp_path, made) as run:
        judged, searched = summary(run, "1.judge"), summary(run, "1.search")
    assert judged["policy_tokens"] == judged["calls"] == 0
    assert judged["judged"] > 0
    assert searched["policy_tokens"] > 300 - SAMPLES * TRACE


def test_tokens_are_split_between_sampling_and_judging() -> None:
    assert SelfJudgement(judge_share=0.25).split(1000) == (750, 250)
    assert SelfJudgement(judge="likelihood").split(1000) == (1000, None)
    assert SelfJudgement().split(None) == (None, None)
