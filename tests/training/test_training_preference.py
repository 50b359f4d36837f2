"""Training on preferences, on a model with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from restmcts.errors import InputError, PhaseError
from restmcts.prompts import load_format, problem_tokens
from restmcts.training.checkpoint import load_policy
from restmcts.training.fitting import Course
from restmcts.training.preference import train_preferences
from restmcts.training.preference_trainers import kto_rows
from restmcts.training.report import TrainingProgress, TrainingReport
from restmcts.training.samples import Pair, preference_pairs
from restmcts.training.settings import PreferenceMethod, PreferenceTraining
from store.files.folders import MARKER
from store.records import PreferenceSample
from tests.training.training_models import TOKEN, preferred_sums, step

SETTINGS = PreferenceTraining(learning_rate=2e-3, batch_size=8, updates=12, warmup_updates=0, seed=3)
"""Enough to see the margin rise, in seconds."""


def train(policy: Path, target: Path, samples: Sequence[PreferenceSample], **changes: Any) -> TrainingReport:
    return train_preferences(policy, samples, SETTINGS.model_copy(update=changes), target, device="cpu")


def log_probability(folder: Path, prompt: Sequence[int], continuation: Sequence[int]) -> float:
    """What a policy says of a continuation, by hand."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokens = torch.tensor([[*prompt, *continuation]])
    with torch.inference_mode():
        scores = model(tokens).logits[0].log_softmax(-1)
    places = range(len(prompt), tokens.shape[1])
    return sum(float(scores[place - 1, tokens[0, place]]) for place in places)


def likelihoods(folder: Path, pairs: Sequence[Pair]) -> tuple[float, float]:
    """The mean log-probability of the chosen and of the rejected continuations."""
    chosen = [log_probability(folder, pair.prompt, pair.chosen) for pair in pairs]
    rejected = [log_probability(folder, pair.prompt, pair.rejected) for pair in pairs]
    return sum(chosen) / len(pairs), sum(rejected) / len(pairs)


def test_tokens_are_those_of_the_search(policy: Path) -> None:
    odd = replace(step("7\n"), tokens=(TOKEN["7"], TOKEN["<unknown>"], TOKEN["\n"]))
    whole = replace(step("1\n"), tokens=(TOKEN["1"], TOKEN["\n"], TOKEN["<end>"]))
    sample = replace(
        preferred_sums(1)[0], prefix=(odd, step("5\n")), chosen=(step("2\n"), odd), rejected=(whole,)
    )
    (pair,), _ = preference_pairs(policy, [sample], 99)
    prompt = problem_tokens(AutoTokenizer.from_pretrained(policy), sample.prompt, load_format(policy))
    assert pair.prompt == (*prompt, *odd.tokens, *step("5\n").tokens)
    assert pair.chosen == (*step("2\n").tokens, *odd.tokens)
    assert pair.rejected == whole.tokens


def test_end_of_text_follows_only_where_the_policy_ended(policy: Path) -> None:
    (pair,), _ = preference_pairs(policy, preferred_sums(1), 99)
    assert pair.chosen[-1] == TOKEN["<end>"]
    assert pair.rejected[-1] == TOKEN["\n"]


def test_pairs_that_teach_nothing_are_counted(policy: Path, tmp_path: Path) -> None:
    good = preferred_sums(3)
    long = replace(good[0], rejected=(step("1234567890" * 7 + "\n"),))
    empty = replace(good[0], chosen=())
    equal = replace(good[0], rejected=good[0].chosen)
    report = train(policy, tmp_path / "new", [*good, long, empty, equal], updates=1)
    assert report.skipped == {"without steps": 1, "equal": 1, "too long": 1}
    assert report.samples == 3
    with pytest.raises(PhaseError, match="no samples to train on, 1 too long"):
        train(policy, tmp_path / "other", [long])


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_margin_rises_and_rejected_become_less_likely(
    policy: Path, tmp_path: Path, method: PreferenceMethod
) -> None:
    samples = preferred_sums(40)
    pairs, _ = preference_pairs(policy, samples, 99)
    told: list[TrainingProgress] = []
    report = train_preferences(
        policy,
        samples,
        SETTINGS.model_copy(update={"method": method}),
        tmp_path / "new",
        progress=told.append,
        device="cpu",
    )
    before, after = likelihoods(policy, pairs), likelihoods(tmp_path / "new", pairs)
    assert after[1] < before[1] - 1
    assert after[0] - after[1] > before[0] - before[1] + 1
    assert report.metrics["reward_margin"] > 0.1
    assert report.metrics.get("reward_accuracy", 1.0) > 0.9
    assert report.last_loss < report.first_loss
    assert [tell.step for tell in told] == list(range(1, 13)) == [point[0] for point in report.curve]
    assert report.updates == 12 and report.samples == 40
    assert report.tokens == sum(Course.of(SETTINGS, [pair.size for pair in pairs], {}).tokens)


def test_first_loss_is_that_of_equal_models(policy: Path, tmp_path: Path) -> None:
    """Before the first update nothing is preferred: -log(1/2) with DPO, 1/2 with KTO."""
    samples = preferred_sums(8)
    assert train(policy, tmp_path / "a", samples, updates=1).first_loss == pytest.approx(0.6931, abs=1e-3)
    kto = train(policy, tmp_path / "b", samples, updates=1, method="kto")
    assert kto.first_loss == pytest.approx(0.5, abs=1e-3)


def test_supervised_weight_adds_the_loss_of_the_chosen_tokens(policy: Path, tmp_path: Path) -> None:
    samples = preferred_sums(8)
    pairs, _ = preference_pairs(policy, samples, 99)
    plain = train(policy, tmp_path / "a", samples, updates=1)
    both = train(policy, tmp_path / "b", samples, updates=1, supervised_weight=0.5)
    tokens = sum(len(pair.chosen) for pair in pairs)
    by_hand = -sum(log_probability(policy, pair.prompt, pair.chosen) for pair in pairs) / tokens
    assert both.first_loss - plain.first_loss == pytest.approx(0.5 * by_hand, rel=1e-3)


def test_prompt_tokens_take_no_part(policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient reaches the states that predict the continuations, and no others."""
    samples = preferred_sums(8)
    seen: list[torch.Tensor] = []

    def keep(module: Any, arguments: Any, output: Any) -> None:
        if output.last_hidden_state.requires_grad:
            output.last_hidden_state.register_hook(seen.append)

    def watched(source: Path) -> Any:
        model = load_policy(source)
        model.model.register_forward_hook(keep)
        return model

    monkeypatch.setattr("restmcts.training.preference.load_policy", watched)
    train(policy, tmp_path / "new", samples, updates=1)
    pairs, _ = preference_pairs(policy, samples, 99)
    prompt = len(pairs[0].prompt)
    (gradient,) = seen
    touched = gradient.abs().sum(-1) > 0
    assert not touched[:, : prompt - 1].any()
    assert touched[:, prompt - 1].all()


def test_equal_seeds_give_equal_weights(policy: Path, tmp_path: Path) -> None:
    samples = preferred_sums(20)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(3)
        train(policy, tmp_path / name, samples, updates=3, seed=seed)
    same = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert same[0] == same[1] != same[2]


def test_checkpoint_differs_in_its_weights_alone(
    policy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "new"
    train(policy, target, preferred_sums(8), updates=1)
    names = {path.name for path in target.iterdir()}
    assert names == {path.name for path in policy.iterdir()} | {MARKER}
    for name in names - {MARKER, "model.safetensors"}:
        assert (target / name).read_bytes() == (policy / name).read_bytes()
    assert capfd.readouterr() == ("", "")


def test_accumulated_batches_are_one_update(policy: Path, tmp_path: Path) -> None:
    samples = preferred_sums(16)
    changes = {"updates": 2, "scheduler": "constant"}
    whole = train(policy, tmp_path / "a", samples, batch_size=8, **changes)
    parts = train(policy, tmp_path / "b", samples, batch_size=4, gradient_accumulation=2, **changes)
    assert (parts.updates, parts.samples, parts.tokens) == (whole.updates, whole.samples, whole.tokens)
    weights = [AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in "ab"]
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=1e-4)


def test_bfloat16_computes_and_is_stored(policy: Path, tmp_path: Path) -> None:
    report = train(policy, tmp_path / "new", preferred_sums(20), dtype="bfloat16")
    assert report.metrics["reward_margin"] > 0.1
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "new").dtype == torch.bfloat16


def test_a_loss_that_is_no_number_ends_the_training(policy: Path, tmp_path: Path) -> None:
    with pytest.raises(PhaseError, match="the loss is nan"):
        train(policy, tmp_path / "new", preferred_sums(8), learning_rate=1e38, max_gradient_norm=0.0)
    assert not (tmp_path / "new").exists()


def test_kl_rows_hold_the_continuation_of_another_prompt() -> None:
    pairs = [Pair((1,), (10,), (11,)), Pair((2,), (20,), (21,))]
    rows = kto_rows(pairs)
    assert [(row["prompt_ids"], row["completion_ids"], row["label"]) for row in rows] == [
        ([1], [10], True),
        ([2], [20], True),
        ([1], [11], False),
        ([2], [21], False),
    ]
    assert [row["KL_completion_ids"] for row in rows] == [[21], [10], [20], [11]]


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="supervised_weight is for method dpo"):
        PreferenceTraining(method="kto", supervised_weight=0.5)
    assert (SETTINGS.beta, PreferenceTraining().learning_rate) == (0.1, 3e-6)


def test_value_model_is_no_policy(policy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such model folder"):
        train(tmp_path / "nowhere", tmp_path / "new", preferred_sums(1))
