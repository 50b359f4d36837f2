"""Fine-tuning a policy, on a model with random weights."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from restmcts.errors import InputError, PhaseError
from restmcts.prompts import load_format, problem_tokens
from restmcts.training.batches import UNLABELLED, collate
from restmcts.training.policy import example, next_token_loss, train_policy
from restmcts.training.report import TrainingProgress
from restmcts.training.samples import policy_chains
from restmcts.training.settings import PolicyTraining
from store.errors import StoreError
from store.files.folders import MARKER
from store.records import PolicySample
from tests.training.training_models import TOKEN, Weights, step, sums

SETTINGS = PolicyTraining(learning_rate=3e-3, batch_size=8, updates=20, seed=3)
"""Enough to see the loss go down, in a second."""


def numpy_state() -> list[int]:
    """The state of numpy's global generator."""
    state = numpy.random.get_state(legacy=False)
    assert isinstance(state, dict)
    found: list[int] = state["state"]["key"].tolist()
    return found


def test_prompt_of_training_is_the_prompt_of_search(policy: Path) -> None:
    (chain,), _ = policy_chains(policy, sums(1), 99)
    prompt = problem_tokens(AutoTokenizer.from_pretrained(policy), sums(1)[0].prompt, load_format(policy))
    assert chain.tokens[: chain.prompt] == prompt
    assert prompt[-3:] == (TOKEN["="], TOKEN["?"], TOKEN["\n"])


def test_tokens_of_steps_are_those_that_were_sampled(policy: Path) -> None:
    odd = replace(step("1\n"), tokens=(TOKEN["1"], TOKEN["<unknown>"], TOKEN["\n"]))
    sample = replace(sums(1)[0], steps=(odd, step("7\n", sampled=False)))
    (chain,), _ = policy_chains(policy, [sample], 99)
    assert chain.tokens[chain.prompt :] == (*odd.tokens, TOKEN["7"], TOKEN["\n"], TOKEN["<end>"])
    assert [chain.tokens[end] for end in chain.ends] == [TOKEN["\n"]] * 2


def test_tokens_of_another_vocabulary_are_encoded_anew(policy: Path) -> None:
    foreign = [replace(step("59\n"), tokens=tokens) for tokens in ((4, 5, 6), (10**6, 3), (-1,))]
    sample = replace(sums(1)[0], steps=tuple(foreign))
    (chain,), _ = policy_chains(policy, [sample], 99)
    assert chain.tokens[chain.prompt :] == (*step("59\n").tokens * 3, TOKEN["<end>"])


def test_samples_longer_than_the_model_reads_are_left_out(policy: Path) -> None:
    long = replace(sums(1)[0], steps=(step("1234567890" * 7 + "\n"),))
    chains, skipped = policy_chains(policy, [*sums(2), long], 10_000)
    assert ([chain.number for chain in chains], skipped["too long"]) == ([0, 1], 1)


def test_end_of_text_is_not_doubled(policy: Path) -> None:
    last = replace(step("7\n"), tokens=(TOKEN["7"], TOKEN["\n"], TOKEN["<end>"]))
    (chain,), _ = policy_chains(policy, [replace(sums(1)[0], steps=(last,))], 99)
    assert chain.tokens[chain.prompt :] == last.tokens


def test_loss_is_on_the_steps_only(policy: Path) -> None:
    """The gradient reaches the logits that predict steps, and no others; and its value is right."""
    chains, _ = policy_chains(policy, [sums(1)[0], replace(sums(2)[1], steps=sums(2)[1].steps[:1])], 99)
    batch = collate([example(chain) for chain in chains], torch.long)
    batch["count"] = torch.tensor(sum(len(chain.tokens) - chain.prompt for chain in chains))
    model = AutoModelForCausalLM.from_pretrained(policy)
    kept: list[torch.Tensor] = []

    def keep(module: object, arguments: object, output: torch.Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    model.lm_head.register_forward_hook(keep)
    loss = next_token_loss(model, batch)
    loss.backward()
    assert kept[0].grad is not None
    touched = kept[0].grad.abs().sum(-1) > 0
    expected = torch.zeros_like(touched)
    by_hand = 0.0
    for row, chain in enumerate(chains):
        expected[row, chain.prompt - 1 : len(chain.tokens) - 1] = True
        scores = kept[0][row].log_softmax(-1)
        for place in range(chain.prompt, len(chain.tokens)):
            by_hand -= scores[place - 1, chain.tokens[place]].item()
    assert torch.equal(touched, expected)
    assert loss.item() == pytest.approx(by_hand / int(batch["count"]), rel=1e-5)


def test_training_lowers_the_loss_and_tells_about_it(policy: Path, tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    report = train_policy(policy, sums(60), SETTINGS, tmp_path / "new", progress=told.append, device="cpu")
    assert report.last_loss < 0.6 * report.first_loss
    assert report.updates == 20 and report.samples == 60
    assert [tell.step for tell in told] == list(range(1, 21)) == [point[0] for point in report.curve]
    assert all(tell.total == 20 and tell.tokens_per_second > 0 for tell in told)
    assert told[0].learning_rate <= told[1].learning_rate > told[-1].learning_rate > 0
    assert report.tokens == 20 * 8 * len(policy_chains(policy, sums(1), 99)[0][0].tokens)


def test_checkpoint_is_a_model_folder(policy: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "new"
    train_policy(policy, sums(8), SETTINGS.model_copy(update={"updates": 1}), target, device="cpu")
    names = {path.name for path in target.iterdir()}
    assert names == {path.name for path in policy.iterdir()} | {MARKER}
    assert not [name for name in names if name.endswith((".bin", ".pt"))]
    assert (target / "tokenizer.json").read_bytes() == (policy / "tokenizer.json").read_bytes()
    assert load_format(target) == load_format(policy)
    model = AutoModelForCausalLM.from_pretrained(target)
    assert model.config.use_cache == AutoModelForCausalLM.from_pretrained(policy).config.use_cache


def test_equal_seeds_give_equal_weights(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    train_policy(policy, sums(40), SETTINGS, tmp_path / "first", device="cpu")
    torch.manual_seed(99)
    torch.rand(13)
    train_policy(policy, sums(30), SETTINGS, tmp_path / "between", device="cpu")
    train_policy(policy, sums(40), SETTINGS, tmp_path / "second", device="cpu")
    train_policy(policy, sums(40), SETTINGS.model_copy(update={"seed": 4}), tmp_path / "other", device="cpu")
    first, second, other = (weights(tmp_path / name) for name in ("first", "second", "other"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_no_traces_in_the_process(
    policy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (random.getstate(), numpy_state(), torch.get_rng_state().tolist())
    verbosity = logging.get_verbosity(), logging.is_progress_bar_enabled()
    train_policy(policy, sums(8), SETTINGS, tmp_path / "new", device="cpu")
    after = (random.getstate(), numpy_state(), torch.get_rng_state().tolist())
    assert after == before
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == verbosity
    assert capfd.readouterr() == ("", "")


def test_gradient_accumulation_changes_only_the_memory(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    """Two halves of a batch give the gradient of the whole one, also when they differ in length."""
    samples = [replace(sample, steps=sample.steps[: 1 + n % 2]) for n, sample in enumerate(sums(8))]
    whole = PolicyTraining(learning_rate=1e-2, batch_size=8, updates=1, warmup_ratio=0)
    halves = whole.model_copy(update={"batch_size": 4, "gradient_accumulation": 2})
    first = train_policy(policy, samples, whole, tmp_path / "whole", device="cpu")
    second = train_policy(policy, samples, halves, tmp_path / "halves", device="cpu")
    assert first.first_loss == pytest.approx(second.first_loss, rel=1e-5)
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert all(torch.allclose(one[name], two[name], atol=2e-4) for name in one)
    start = weights(policy)
    assert all(not torch.allclose(one[name], start[name], atol=2e-3) for name in one)


def test_bfloat16_is_what_is_stored(policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]) -> None:
    settings = SETTINGS.model_copy(update={"dtype": "bfloat16"})
    report = train_policy(policy, sums(60), settings, tmp_path / "new", device="cpu")
    assert report.last_loss < 0.6 * report.first_loss
    assert {tensor.dtype for tensor in weights(tmp_path / "new").values()} == {torch.bfloat16}


def test_long_samples_are_counted_not_cut(policy: Path, tmp_path: Path) -> None:
    long = replace(sums(1)[0], steps=tuple(step("12345678\n") for _ in range(5)))
    settings = SETTINGS.model_copy(update={"max_length": 20, "updates": 1})
    report = train_policy(policy, [*sums(3), long], settings, tmp_path / "new", device="cpu")
    assert report.samples == 3
    assert report.skipped == {"too long": 1, "without steps": 0}
    with pytest.raises(PhaseError, match=r"no samples.*1 too long"):
        train_policy(policy, [long], settings, tmp_path / "other", device="cpu")


@pytest.mark.parametrize("samples", [[], [replace(sums(1)[0], steps=())]])
def test_nothing_to_train_on_is_an_error(policy: Path, tmp_path: Path, samples: list[PolicySample]) -> None:
    with pytest.raises(PhaseError, match="no samples"):
        train_policy(policy, samples, SETTINGS, tmp_path / "new", device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a test."""


def test_interrupt_leaves_nothing(policy: Path, tmp_path: Path) -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.step == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_policy(policy, sums(9), SETTINGS, tmp_path / "new", progress=stop, device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy"]


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    Exception("No space left on device (os error 28)"),  # as tokenizers has it
]


@pytest.mark.parametrize("full", FULL, ids=["system", "safetensors", "tokenizers"])
def test_failure_while_saving_keeps_the_old_checkpoint(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Exception
) -> None:
    target = tmp_path / "new"
    train_policy(policy, sums(9), SETTINGS, target, device="cpu")
    before = {path.name: path.read_bytes() for path in target.iterdir()}

    def fail(*_: object) -> None:
        raise full

    monkeypatch.setattr("restmcts.training.checkpoint.shutil.copyfile", fail)
    with pytest.raises(StoreError, match=r"cannot write .*/new: No space left on device; free some"):
        train_policy(policy, sums(20), SETTINGS, target, device="cpu")
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "policy"]


def test_an_older_checkpoint_is_replaced_and_nothing_else(
    policy: Path, tmp_path: Path, weights: Callable[[Path], Weights]
) -> None:
    target = tmp_path / "new"
    train_policy(policy, sums(9), SETTINGS, target, device="cpu")
    train_policy(target, sums(9), SETTINGS, tmp_path / "next", device="cpu")
    train_policy(policy, sums(9), SETTINGS, target, device="cpu")
    assert weights(target)
    (target / "thesis.doc").write_text("x")
    for foreign in (target, policy):
        with pytest.raises(InputError, match="holds what restmcts did not write"):
            train_policy(policy, sums(9), SETTINGS, foreign, device="cpu")
    assert (target / "thesis.doc").read_text() == "x"


def test_everyone_may_read_what_the_umask_lets_them(policy: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        train_policy(policy, sums(9), SETTINGS, tmp_path / "new", device="cpu")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {0o644}


def test_diverging_training_fails(policy: Path, tmp_path: Path) -> None:
    wild = SETTINGS.model_copy(update={"learning_rate": 1e30, "max_gradient_norm": 0.0})
    with pytest.raises(PhaseError, match=r"loss is (nan|inf) at update \d+ of 20; lower learning_rate"):
        train_policy(policy, sums(9), wild, tmp_path / "new", device="cpu")


def test_folders_without_a_policy_are_refused(policy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such model folder"):
        train_policy(tmp_path / "none", sums(2), SETTINGS, tmp_path / "new", device="cpu")
    (policy / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no weights"):
        train_policy(policy, sums(2), SETTINGS, tmp_path / "new", device="cpu")


def test_missing_gpu_is_an_error(policy: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="no GPU here"):
        train_policy(policy, sums(2), SETTINGS, tmp_path / "new", device="cuda")


def test_labels_of_padding_take_no_part(policy: Path) -> None:
    chains, _ = policy_chains(policy, [replace(sums(1)[0], steps=sums(1)[0].steps[:1]), sums(2)[1]], 99)
    batch = collate([example(chain) for chain in chains], torch.long)
    padding = batch["attention_mask"] == 0
    assert padding.any() and set(batch["labels"][padding].tolist()) == {UNLABELLED}
