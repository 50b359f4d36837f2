"""The base policy of the built-in task, trained from nothing until it is good enough to be improved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, TrainerCallback

from restmcts.demo.settings import TinyBase
from restmcts.demo.task import TinyTask
from restmcts.demo.tokenizer import tiny_tokenizer
from restmcts.engines.messages import quiet
from restmcts.errors import PhaseError
from restmcts.problems.problem import Problem
from restmcts.prompts import PLAIN_TEMPLATE, PromptFormat, save_format, step_tokens
from restmcts.training.batches import Batch, collate
from restmcts.training.checkpoint import load_policy, load_tokenizer, saving
from restmcts.training.fitting import fit, seeded
from restmcts.training.policy import example, next_token_loss
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.samples import Chain, policy_chains
from restmcts.training.settings import Device
from store.files.folders import new_folder
from store.records import PolicySample

_MEASURED_TOGETHER = 128
"""Validation problems that are read in one batch."""


def train_tiny_base(
    task: TinyTask,
    demonstrations: Sequence[Problem],
    validation: Sequence[Problem],
    settings: TinyBase,
    target: Path,
    *,
    progress: OnProgress | None = None,
    device: Device = "auto",
) -> TrainingReport:
    """Train the base policy of the built-in task and write it to ``target``, all of it or nothing.

    The report's metrics are ``validation.step_probability``, ``validation.greedy`` (the share of
    problems that greedy decoding solves) and ``validation.update``, the update they belong to.

    Args:
        task: the task, which decides the tokenizer.
        demonstrations: problems with solutions to learn from.
        validation: problems with solutions that decide when to stop.
        settings: the model and its training.
        target: the folder to write; one that this program wrote is replaced when the training is done.
        progress: called about a hundred times.
        device: where to train.

    Raises:
        InputError: ``target`` must not be replaced.
        StoreError: ``target`` cannot be written.
        PhaseError: the policy was never in the wanted range, with the figures; or there is nothing to
            train or to validate on.
    """
    if not validation:
        raise PhaseError("tiny base policy: there are no validation problems, so nothing says when to stop")
    with new_folder(target) as folder:
        with seeded(settings.seed):
            _write_start(folder, task, settings)
        chains, skipped = policy_chains(folder, _samples(folder, demonstrations), settings.max_length)
        judges, _ = policy_chains(folder, _samples(folder, validation), settings.max_length)
        model = load_policy(folder)
        watch = _Watch(judges, settings)
        report = fit(
            model,
            [example(chain) for chain in chains],
            next_token_loss,
            settings,
            label_dtype=torch.long,
            skipped=skipped,
            folder=folder,
            progress=progress,
            device=device,
            callbacks=[watch],
        )
        kept = watch.kept()
        model.load_state_dict(kept.weights)
        with saving(folder), quiet():
            model.save_pretrained(folder)
    return replace(report, metrics=kept.metrics())


def tiny_config(task: TinyTask, settings: TinyBase, vocabulary: int, padding: int, end: int) -> LlamaConfig:
    """The configuration of the base policy."""
    # A prompt and its solution have less than five tokens an operation.
    positions = max(128, 5 * task.maximum_operations + 8)
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=settings.width,
        intermediate_size=settings.inner_width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.width // 32,
        num_key_value_heads=settings.width // 32,
        head_dim=32,
        max_position_embeddings=positions,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rotary_base},
        initializer_range=settings.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=padding,
    )


def _write_start(folder: Path, task: TinyTask, settings: TinyBase) -> None:
    """A policy with random weights, its tokenizer and its prompt format."""
    tokenizer: Any = tiny_tokenizer(task)
    config = tiny_config(task, settings, len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id)
    auto: Any = AutoModelForCausalLM
    with saving(folder), quiet():
        auto.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        save_format(folder, PromptFormat(template=PLAIN_TEMPLATE))


def _samples(folder: Path, problems: Sequence[Problem]) -> list[PolicySample]:
    tokenizer = load_tokenizer(folder)
    return [
        PolicySample(
            problem.id,
            problem.text,
            step_tokens(tokenizer, problem.solution or ""),
            (),
            None,
            "demonstration",
        )
        for problem in problems
    ]


@dataclass(frozen=True, slots=True)
class StepQuality:
    """How well a policy continues correct prefixes.

    ``probability`` is the mean probability of the right next step, ``greedy`` the share of problems in
    which every token is the most probable one, which greedy decoding then solves.
    """

    probability: float
    greedy: float


def step_quality(model: Any, chains: Sequence[Chain]) -> StepQuality:
    """Measure ``model`` on correct traces (with their end-of-text token); its mode is as before."""
    training = model.training
    model.eval()
    probabilities: list[float] = []
    solved = 0
    with torch.inference_mode():
        for start in range(0, len(chains), _MEASURED_TOGETHER):
            together = chains[start : start + _MEASURED_TOGETHER]
            batch = collate([example(chain) for chain in together], torch.long)
            found, right = _read(model, {name: value.to(model.device) for name, value in batch.items()})
            for row, chain in enumerate(together):
                starts = (chain.prompt, *(end + 1 for end in chain.ends))
                sums = [found[row, a - 1 : b - 1].sum() for a, b in pairwise(starts)]
                probabilities += torch.stack(sums).exp().tolist()
                solved += bool(right[row, chain.prompt - 1 : len(chain.tokens) - 1].all())
    model.train(training)
    return StepQuality(sum(probabilities) / len(probabilities), solved / len(chains))


def _read(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """For each token but the first: its log-probability, and whether it is the most probable one."""
    scores = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    ).logits[:, :-1]
    following = batch["input_ids"][:, 1:]
    found = scores.float().log_softmax(-1).gather(-1, following[..., None])[..., 0]
    return found.cpu(), (scores.argmax(-1) == following).cpu()


@dataclass(frozen=True, slots=True)
class _Kept:
    """The policy after ``update`` updates."""

    update: int
    quality: StepQuality
    weights: dict[str, torch.Tensor]

    def metrics(self) -> dict[str, float]:
        return {
            "validation.step_probability": self.quality.probability,
            "validation.greedy": self.quality.greedy,
            "validation.update": float(self.update),
        }


class _Watch(TrainerCallback):
    """Measures the policy, keeps it while it is in range, and ends the training at the target."""

    def __init__(self, chains: Sequence[Chain], settings: TinyBase) -> None:
        self.chains = chains
        self.settings = settings
        self.next = 0
        self.curve: list[tuple[int, float]] = []
        self.inside: _Kept | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        update = int(state.global_step)
        if update < self.next and update < state.max_steps:
            return
        quality = step_quality(model, self.chains)
        self.curve.append((update, quality.probability))
        if self.settings.lowest <= quality.probability <= self.settings.highest:
            weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
            self.inside = _Kept(update, quality, weights)
        control.should_training_stop |= quality.probability >= self.settings.target
        self.next = update + self._pause(quality.probability)

    def _pause(self, probability: float) -> int:
        """Updates until the next look: the climb is steep once it has begun."""
        if probability < 0.4 * self.settings.target:
            return 10
        return 3 if probability < 0.8 * self.settings.target else 1

    def kept(self) -> _Kept:
        """The last policy that was in range.

        Raises:
            PhaseError: there was none.
        """
        if self.inside is not None:
            return self.inside
        tenth = max(1, len(self.curve) // 10)
        shown = dict([*self.curve[::tenth], self.curve[-1]])
        figures = ", ".join(f"{probability:.3f} at {update}" for update, probability in shown.items())
        low, high = self.settings.lowest, self.settings.highest
        cure = "raise updates" if self.curve[-1][1] < low else "lower learning_rate, or widen the range"
        raise PhaseError(
            f"tiny base policy: the mean probability of the right step was never between {low} and {high} "
            f"on the validation problems ({figures}); {cure}, or take another seed"
        )
