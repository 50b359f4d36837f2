"""The base policy of the built-in task, on a task so small that it is learned in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from restmcts.demo.base_policy import step_quality, train_tiny_base
from restmcts.demo.settings import TinyBase
from restmcts.demo.task import TinyTask, generate_tiny
from restmcts.errors import PhaseError
from restmcts.problems.problem import Problem
from restmcts.prompts import encode, load_format, problem_tokens
from restmcts.training.samples import policy_chains
from store.events import Step
from store.records import PolicySample
from tests.training.training_models import Weights

TASK = TinyTask(
    modulus=7, minimum_operations=1, maximum_operations=1, largest_operand=2, largest_factor=2, operators="+-"
)
PROBLEMS = generate_tiny({"train": 28}, 0, TASK)["train"]
SETTINGS = TinyBase(
    width=32,
    inner_width=128,
    layers=1,
    batch_size=16,
    updates=500,
    warmup_updates=10,
    seed=1,
)


def settings(**changed: object) -> TinyBase:
    return TinyBase.model_validate({**SETTINGS.model_dump(), **changed})


def as_sample(problem: Problem) -> PolicySample:
    lines = (problem.solution or "").splitlines(keepends=True)
    return PolicySample(
        problem.id, problem.text, tuple(Step(line) for line in lines), (), None, "demonstration"
    )


def measured(folder: Path) -> tuple[float, float]:
    """The quality of the policy that was saved."""
    chains, _ = policy_chains(folder, [as_sample(problem) for problem in PROBLEMS], 99)
    quality = step_quality(AutoModelForCausalLM.from_pretrained(folder), chains)
    return quality.probability, quality.greedy


def test_training_ends_in_range_and_the_saved_policy_is_the_measured_one(tmp_path: Path) -> None:
    target = tmp_path / "base"
    report = train_tiny_base(TASK, PROBLEMS, PROBLEMS, SETTINGS, target, device="cpu")
    found = report.metrics["validation.step_probability"]
    assert SETTINGS.target <= found <= SETTINGS.highest
    assert report.updates == report.metrics["validation.update"] < 500
    assert measured(target) == pytest.approx((found, report.metrics["validation.greedy"]), abs=1e-6)


def test_saved_policy_solves_what_it_is_said_to_solve(tmp_path: Path) -> None:
    """Greedy decoding by transformers, from the prompt that search will use."""
    target = tmp_path / "base"
    report = train_tiny_base(TASK, PROBLEMS, PROBLEMS, SETTINGS, target, device="cpu")
    model: Any = AutoModelForCausalLM.from_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(target)
    solved = 0
    for problem in PROBLEMS:
        prompt = problem_tokens(tokenizer, problem.text, load_format(target))
        written = model.generate(torch.tensor([prompt]), max_new_tokens=8, do_sample=False)[0, len(prompt) :]
        expected = (*encode(tokenizer, problem.solution or ""), tokenizer.eos_token_id)
        solved += tuple(written.tolist()) == expected
    assert solved / len(PROBLEMS) == report.metrics["validation.greedy"]
    assert solved > 0


def test_measure_is_the_mean_probability_of_right_steps(tmp_path: Path) -> None:
    target = tmp_path / "base"
    train_tiny_base(TASK, PROBLEMS, PROBLEMS, SETTINGS, target, device="cpu")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(target), AutoTokenizer.from_pretrained(target)
    chains, _ = policy_chains(target, [as_sample(problem) for problem in PROBLEMS[:5]], 99)
    by_hand = []
    for problem in PROBLEMS[:5]:
        tokens = list(problem_tokens(tokenizer, problem.text, load_format(target)))
        for line in (problem.solution or "").splitlines(keepends=True):
            probability = 1.0
            for token in encode(tokenizer, line):
                scores = model(torch.tensor([tokens])).logits[0, -1]
                probability *= scores.softmax(-1)[token].item()
                tokens.append(token)
            by_hand.append(probability)
    assert step_quality(model, chains).probability == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-4)


def test_target_out_of_reach_is_an_error_with_figures(tmp_path: Path) -> None:
    with pytest.raises(
        PhaseError, match=r"never between 0.74 and 0.88 .* at 1, .* at 11, .* at 20\); raise updates"
    ):
        train_tiny_base(TASK, PROBLEMS, PROBLEMS, settings(updates=20), tmp_path / "base", device="cpu")
    assert not list(tmp_path.iterdir())


def test_overshooting_is_an_error_with_figures(tmp_path: Path) -> None:
    narrow = settings(lowest=0.5, target=0.5, highest=0.5)
    with pytest.raises(PhaseError, match=r"never between 0.5 and 0.5 .*; lower learning_rate"):
        train_tiny_base(TASK, PROBLEMS, PROBLEMS, narrow, tmp_path / "base", device="cpu")


def test_the_last_policy_in_range_is_taken_when_the_target_is_not_met(tmp_path: Path) -> None:
    modest = settings(lowest=0.1, target=0.98, highest=0.99, updates=200)
    report = train_tiny_base(TASK, PROBLEMS, PROBLEMS, modest, tmp_path / "base", device="cpu")
    assert 0.1 <= report.metrics["validation.step_probability"] < 0.98
    assert report.updates == 200


def test_the_last_policy_in_range_is_taken_when_training_overshoots(tmp_path: Path) -> None:
    """The target is met beyond the range only, because the highest value is the target itself."""
    free = settings(lowest=0.05, target=0.8, highest=0.8)
    report = train_tiny_base(TASK, PROBLEMS, PROBLEMS, free, tmp_path / "base", device="cpu")
    assert 0.05 <= report.metrics["validation.step_probability"] <= 0.8
    assert report.metrics["validation.update"] < report.updates
    found = report.metrics["validation.step_probability"]
    assert measured(tmp_path / "base") == pytest.approx(
        (found, report.metrics["validation.greedy"]), abs=1e-6
    )


def test_equal_seeds_give_equal_weights(tmp_path: Path, weights: Callable[[Path], Weights]) -> None:
    wide = settings(lowest=0.01, target=0.98, highest=0.99, updates=30)
    first, second = (
        train_tiny_base(TASK, PROBLEMS, PROBLEMS, wide, tmp_path / name, device="cpu") for name in "ab"
    )
    other = train_tiny_base(
        TASK, PROBLEMS, PROBLEMS, wide.model_copy(update={"seed": 2}), tmp_path / "c", device="cpu"
    )
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)
    assert first.curve == second.curve != other.curve


def test_nothing_to_validate_on_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PhaseError, match="no validation problems"):
        train_tiny_base(TASK, PROBLEMS, [], SETTINGS, tmp_path / "base", device="cpu")


def test_wrong_range_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie between"):
        TinyBase(target=0.5)
