"""Samples as padded batches, in an order that depends on the seed alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch.utils.data import Dataset

from restmcts.errors import InputError
from restmcts.training.settings import TrainingSettings

UNLABELLED = -100
"""The label of a token that takes no part in the loss, by the convention of transformers."""

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence: token ids, and a label for each (:data:`UNLABELLED` for none).

    Labels are token ids when a policy is trained, quality values when a value model is. ``written`` marks
    the tokens that a value model learns to predict beside (none, where it is empty).
    """

    tokens: tuple[int, ...]
    labels: tuple[float, ...]
    written: tuple[bool, ...] = ()


Collate = Callable[[Sequence[Example], torch.dtype], Batch]
"""Makes a padded batch; see :func:`collate`."""

Arrange = Callable[[list[int]], list[int]]
"""Puts the samples of an epoch, which come in a random order, in the order in which batches are cut."""


def collate(examples: Sequence[Example], dtype: torch.dtype) -> Batch:
    """Pad on the right: ``input_ids``, ``attention_mask``, ``labels``, ``written``: (batch, longest)."""
    shape = (len(examples), max(len(example.tokens) for example in examples))
    batch = {
        "input_ids": torch.zeros(shape, dtype=torch.long),
        "attention_mask": torch.zeros(shape, dtype=torch.long),
        "labels": torch.full(shape, UNLABELLED, dtype=dtype),
        "written": torch.zeros(shape, dtype=torch.bool),
    }
    for row, example in enumerate(examples):
        length = len(example.tokens)
        batch["input_ids"][row, :length] = torch.tensor(example.tokens)
        batch["attention_mask"][row, :length] = 1
        batch["labels"][row, :length] = torch.tensor(example.labels, dtype=dtype)
        if example.written:
            batch["written"][row, :length] = torch.tensor(example.written)
    return batch


def update_count(samples: int, settings: TrainingSettings) -> int:
    """The optimizer updates that ``settings`` ask for with so many samples."""
    if settings.updates is not None:
        return settings.updates
    batch = settings.batch_size * settings.gradient_accumulation
    return max(1, math.ceil(settings.epochs * samples / batch))


def plan(samples: int, settings: TrainingSettings, arrange: Arrange | None = None) -> list[list[int]]:
    """Which samples make up each batch: epoch after epoch, each in a new random order.

    An update takes ``gradient_accumulation`` batches; only the last one of a training by epochs can be
    smaller than the others. Samples are not grouped by length, which would save padding: a chain that
    went wrong often ends early, so batches of one length would be batches of one label. ``arrange`` puts the
    order of each epoch right.
    """
    random = torch.Generator().manual_seed(settings.seed)
    size = settings.batch_size
    wanted = update_count(samples, settings) * settings.gradient_accumulation * size
    if settings.updates is None:
        wanted = min(wanted, max(1, math.ceil(settings.epochs * samples)))
    order: list[int] = []
    while len(order) < wanted:
        epoch = torch.randperm(samples, generator=random).tolist()
        order += epoch if arrange is None else arrange(epoch)
    return [order[start : min(start + size, wanted)] for start in range(0, wanted, size)]


def by_update(batches: Sequence[Sequence[int]], accumulation: int, counts: Sequence[int]) -> list[int]:
    """The sum of ``counts``, one for each sample, over the batches of each update."""
    sums = [sum(counts[member] for member in batch) for batch in batches]
    return [sum(sums[start : start + accumulation]) for start in range(0, len(sums), accumulation)]


def deal(
    batches: Sequence[list[int]], accumulation: int, processes: int, *, uncut: bool = False
) -> tuple[list[list[int]], int]:
    """The batches of a :func:`plan` for several processes, of which each takes one in turn.

    An update keeps its samples. It gets a multiple of ``processes`` batches, which are cut smaller where they
    are too few. The last update of a training may have fewer samples than processes, and then empty batches.

    Args:
        batches: numbers of samples, batch after batch.
        accumulation: the batches in an update.
        processes: how many processes there are.
        uncut: batches must stay as they are.

    Returns:
        The batches, and how many of them make an update.

    Raises:
        InputError: a process would have no sample in an update, or batches would have to be cut.
    """
    updates = [batches[start : start + accumulation] for start in range(0, len(batches), accumulation)]
    samples = sum(map(len, updates[0]))
    if len(updates) > 1 and samples < processes:
        raise InputError(
            f"an update has {samples} samples, which are too few for {processes} processes: raise batch_size"
            " or gradient_accumulation, or lower processes"
        )
    if uncut and len(updates) > 1 and accumulation % processes:
        raise InputError(
            "ranking_weight compares the chains of a batch, so batches are not cut smaller for"
            f" {processes} processes: set gradient_accumulation to a multiple of processes"
        )
    dealt = [_dealt(update, processes, uncut) for update in updates]
    return [batch for update in dealt for batch in update], len(dealt[0])


def _dealt(update: Sequence[list[int]], processes: int, uncut: bool) -> list[list[int]]:
    """The batches of one update, as few as can be: a multiple of ``processes``."""
    count = processes * math.ceil(len(update) / processes)
    if uncut or count == len(update):
        return [*update, *([] for _ in range(count - len(update)))]
    members = [member for batch in update for member in batch]
    ends = [len(members) * place // count for place in range(count + 1)]
    return [members[start:end] for start, end in pairwise(ends)]


class Batches(Dataset[Batch]):
    """The batches of a :func:`plan`, each padded when it is asked for.

    Beside what ``collate`` gives, a batch holds ``count``: the labels in all batches of its update. An empty
    batch is some sample with an infinite ``count``, so that it adds nothing to a loss.

    Attributes:
        batches: the numbers of the examples in each batch.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        batches: list[list[int]],
        accumulation: int,
        dtype: torch.dtype,
        collate: Collate = collate,
    ) -> None:
        self.collate = collate
        self.examples = examples
        self.batches = batches
        self.dtype = dtype
        self.accumulation = accumulation
        labels = [len(example.labels) - example.labels.count(UNLABELLED) for example in examples]
        self._labels = by_update(batches, accumulation, labels)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        members = self.batches[index]
        batch = self.collate([self.examples[member] for member in members or [0]], self.dtype)
        batch["count"] = torch.tensor(self._labels[index // self.accumulation] if members else math.inf)
        return batch


def single(items: list[Any]) -> Any:
    """The data loader's collation: its items are batches already, and it takes one at a time."""
    return items[0]
