"""Whether models run and learn on a GPU, and how fast: both engines, three trainings, in bfloat16.

    python -m benchmarks.gpu_check                            # a small model with random weights
    python -m benchmarks.gpu_check models/smollm2 --json
    python -m benchmarks.gpu_check --device cpu --tokens 8 --updates 6    # that this program itself works

Each part samples, scores or trains, and is checked: samples are no longer than they may be, values lie
between 0 and 1, a training lowers its loss, and the engines open what it has written. It is meant to take
less than five minutes with a model of 135 million weights. Without a GPU it says so and ends with exit code
0; with a part that failed, with exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, LlamaForCausalLM

from restmcts.demo.task import TinyTask, generate_tiny
from restmcts.demo.tokenizer import tiny_tokenizer
from restmcts.engines.base import Policy, SamplingRequest, ValueModel
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.settings import ModelSettings
from restmcts.errors import RestmctsError
from restmcts.training.policy import train_policy
from restmcts.training.report import TrainingReport
from restmcts.training.settings import LoraSettings, PolicyTraining, ValueTraining
from restmcts.training.values.training import train_value
from store.events import Step
from store.records import PolicySample, ValueSample

SAMPLES = 3


@dataclass(frozen=True)
class Row:
    """One part: what it did, in what time, with how much memory of the GPU; ``wrong`` says what failed."""

    part: str
    tokens: int
    seconds: float
    gibibytes: float
    first_loss: float | None = None
    last_loss: float | None = None
    wrong: str = ""


@dataclass(frozen=True)
class Place:
    """Where the models lie, and what they run on."""

    folder: Path
    policy: Path
    options: argparse.Namespace

    @property
    def models(self) -> ModelSettings:
        return ModelSettings(device=self.options.device, dtype="bfloat16")

    @property
    def training(self) -> dict[str, Any]:
        """Settings of all trainings."""
        return {
            "learning_rate": self.options.learning_rate,
            "epochs": 1,
            "updates": self.options.updates,
            "batch_size": 8,
            "dtype": "bfloat16",
            "gradient_checkpointing": True,
        }


def make_model(folder: Path) -> Path:
    """A Llama of 29 million weights, random ones, with the tokenizer of the built-in task."""
    tokenizer: Any = tiny_tokenizer(TinyTask())
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 512, "num_attention_heads": 8, "num_hidden_layers": 8}
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer), intermediate_size=1536, bos_token_id=None, tie_word_embeddings=True,
        **sizes, **ids,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def examples(count: int) -> list[tuple[str, tuple[Step, ...]]]:
    """Problems of the built-in task with their worked solutions."""
    problems = generate_tiny({"train": count}, 1, TinyTask())["train"]
    return [
        (problem.text, tuple(Step(line) for line in (problem.solution or "").splitlines(keepends=True)))
        for problem in problems
    ]


@contextmanager
def opened(model: Any) -> Iterator[Any]:
    try:
        yield model
    finally:
        model.close()


def sample(place: Place, folder: Path, part: str) -> Row:
    """The policy writes ``--prompts`` x 3 samples at once."""

    async def ask(policy: Policy) -> int:
        requests = [
            SamplingRequest(policy.prompt(text), range(SAMPLES), place.options.tokens, "end", 1.0)
            for text, _ in examples(place.options.prompts)
        ]
        answers = await asyncio.gather(*map(policy.propose, requests))
        return sum(sample.generated for samples in answers for sample in samples)

    with opened(open_policy(folder, place.models, name="policy")) as policy:
        asyncio.run(ask(policy))  # the first call loads kernels
        began = time.perf_counter()
        tokens = asyncio.run(ask(policy))
        seconds = time.perf_counter() - began
        most = SAMPLES * place.options.prompts * place.options.tokens
        wrong = "" if 0 < tokens <= most else f"{tokens} tokens, at most {most} were asked for"
        return Row(part, tokens, seconds, peak(), wrong=wrong)


def score(place: Place, folder: Path, part: str) -> Row:
    """The value model reads ``--prompts`` worked solutions."""

    async def ask(value: ValueModel, prompts: list[tuple[int, ...]]) -> list[float]:
        return await value.score(prompts)

    with opened(open_value(folder, place.models, name="value")) as value:
        prompts = []
        for text, steps in examples(place.options.prompts):
            prompts.append(value.prompt(text) + sum((value.tokens(step) for step in steps), ()))
        asyncio.run(ask(value, prompts[:1]))
        began = time.perf_counter()
        values = asyncio.run(ask(value, prompts))
        seconds = time.perf_counter() - began
        wrong = "" if all(0 <= found <= 1 for found in values) else "a value is not in [0, 1]"
        return Row(part, sum(map(len, prompts)), seconds, peak(), wrong=wrong)


def learn_policy(place: Place, target: Path, part: str, lora: LoraSettings | None = None) -> Row:
    samples = [
        PolicySample(f"p{number}", text, steps, ("check/1",), 1.0, "trace")
        for number, (text, steps) in enumerate(examples(64))
    ]
    settings = PolicyTraining(**place.training, lora=lora)
    report = train_policy(place.policy, samples, settings, target, device=place.options.device)
    return trained(part, report)


def learn_value(place: Place, target: Path, part: str) -> Row:
    """A step is worth the share of the solution that is done after it."""
    samples = [
        ValueSample(
            f"p{number}",
            text,
            steps,
            tuple(done / len(steps) for done in range(1, len(steps) + 1)),
            ("check/1",),
        )
        for number, (text, steps) in enumerate(examples(64))
    ]
    report = train_value(
        place.policy, samples, ValueTraining(**place.training), target, device=place.options.device
    )
    return trained(part, report)


def trained(part: str, report: TrainingReport) -> Row:
    losses = [loss for _, loss in report.curve]
    half = len(losses) // 2
    better = sum(losses[-half:]) < sum(losses[:half])
    wrong = "" if better else "the loss is no smaller in the second half of the training"
    return Row(part, report.tokens, report.seconds, peak(), report.first_loss, report.last_loss, wrong)


def peak() -> float:
    """GiB of GPU memory that torch has taken at most since the part began."""
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def parts(place: Place) -> Iterator[Row]:
    """All parts, in an order in which each finds what it needs."""
    policy, adapter, value = (place.folder / name for name in ("trained", "adapter", "value"))
    steps: list[tuple[str, Callable[[str], Row]]] = [
        ("policy samples", lambda part: sample(place, place.policy, part)),
        ("policy is trained", lambda part: learn_policy(place, policy, part)),
        ("trained policy samples", lambda part: sample(place, policy, part)),
        ("adapter is trained (LoRA)", lambda part: learn_policy(place, adapter, part, LoraSettings(rank=8))),
        ("policy with adapter samples", lambda part: sample(place, adapter, part)),
        ("value model is trained", lambda part: learn_value(place, value, part)),
        ("value model scores", lambda part: score(place, value, part)),
    ]
    for part, step in steps:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        try:
            row = step(part)
        except (RestmctsError, RuntimeError) as error:  # torch says with RuntimeError what CUDA cannot
            row = Row(part, 0, 0.0, peak(), wrong=f"{type(error).__name__}: {str(error).splitlines()[0]}")
        yield replace(row, seconds=round(row.seconds, 3), gibibytes=round(row.gibibytes, 3))


def table(rows: list[Row], where: str) -> Table:
    shown = Table(
        "part", "tokens", "seconds", "tokens/s", "GiB", "loss", "", title=where, title_justify="left"
    )
    for row in rows:
        speed = f"{row.tokens / row.seconds:,.0f}" if row.seconds else ""
        loss = "" if row.last_loss is None else f"{row.first_loss:.3f} to {row.last_loss:.3f}"
        figures = (f"{row.tokens:,}", f"{row.seconds:.1f}", speed, f"{row.gibibytes:.2f}", loss)
        shown.add_row(row.part, *figures, row.wrong or "ok")
    return shown


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, help="a policy as a Hugging Face folder")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128, help="of each sample, at most")
    parser.add_argument("--updates", type=int, default=24, help="of each training, 4 or more")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.device == "cuda" and not torch.cuda.is_available():
        print(json.dumps({"skipped": "no GPU"}) if options.json else "skipped: torch sees no GPU")
        return 0
    where = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        policy = options.model or make_model(Path(folder, "policy"))
        rows = list(parts(Place(Path(folder), policy, options)))
    seconds = round(time.perf_counter() - began, 1)
    if options.json:
        print(
            json.dumps(
                {"device": where, "seconds": seconds, "parts": [asdict(row) for row in rows]}, indent=1
            )
        )
    else:
        Console().print(table(rows, f"{where}, bfloat16, torch {torch.__version__}, {seconds:.0f} s"))
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
