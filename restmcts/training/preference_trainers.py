"""The trainers of TRL for preferences, given token ids instead of text.

TRL would tokenize texts and end each with the end-of-text token. Here the rows hold the tokens that the
policy sampled, in the order in which they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from datasets import Dataset
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from restmcts.training.resuming import Resumable
from restmcts.training.samples import Pair
from restmcts.training.settings import PreferenceTraining

Row = dict[str, Any]
"""One row of a data set of TRL."""


def dpo_row(pair: Pair) -> Row:
    """A pair as a row of TRL's DPO."""
    return {
        "prompt_ids": list(pair.prompt),
        "chosen_ids": list(pair.chosen),
        "rejected_ids": list(pair.rejected),
    }


def kto_rows(pairs: Sequence[Pair]) -> list[Row]:
    """The pairs of one batch as rows of TRL's KTO: first the chosen continuations, then the rejected ones.

    The reference point of KTO is estimated from prompts with continuations of other prompts: each row has
    beside it the continuation of the row before.
    """
    whole = [(pair.prompt, pair.chosen, True) for pair in pairs]
    whole += [(pair.prompt, pair.rejected, False) for pair in pairs]
    return [
        {
            "prompt_ids": list(prompt),
            "completion_ids": list(continuation),
            "KL_completion_ids": list(whole[place - 1][1]),
            "label": good,
        }
        for place, (prompt, continuation, good) in enumerate(whole)
    ]


class _FromTokens(Resumable):
    """What both trainers do in another way: no tokenizing, no files, no telemetry, our number formats.

    The log-probabilities of the reference are those of the model before its first update. They are kept in
    memory, so that no second model is.
    """

    reference: ClassVar[tuple[str, str]]
    """The names of the columns with the log-probabilities of the reference."""

    def __init__(self, rows: list[Row], dtype: str, **options: Any) -> None:
        self.rows = rows
        self.dtype = getattr(torch, dtype)
        parent: Any = super()
        # A data set of this class is asked for; what is read are the rows of _precompute_ref_logps.
        parent.__init__(train_dataset=Dataset.from_list(rows[:1]), **options)

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> list[Row]:
        me: Any = self
        me.model.eval()
        filled: list[Row] = []
        for start in range(0, len(self.rows), batch_size):
            rows = self.rows[start : start + batch_size]
            batch = me._prepare_inputs(me.data_collator(rows))
            with self._precision():
                found = me.compute_ref_log_probs(me.model, batch)
            figures = zip(*(column.tolist() for column in found), strict=True)
            filled += [
                row | dict(zip(self.reference, pair, strict=True))
                for row, pair in zip(rows, figures, strict=True)
            ]
        return filled

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        parent: Any = super()
        with self._precision():
            return parent.compute_loss(*arguments, **named)

    def _precision(self) -> torch.autocast:
        device = getattr(self, "args").device.type  # noqa: B009 - the other base class has it
        return torch.autocast(device, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def _send_telemetry(self) -> None:
        pass


class DPO(_FromTokens, DPOTrainer):
    """Direct preference optimization."""

    reference = ("ref_chosen_logps", "ref_rejected_logps")

    @staticmethod
    def arguments(settings: PreferenceTraining, options: dict[str, Any]) -> DPOConfig:
        """The arguments of TRL."""
        weight = settings.supervised_weight
        return DPOConfig(
            **options,
            bf16=False,
            beta=settings.beta,
            max_length=None,
            precompute_ref_log_probs=True,
            loss_type=["sigmoid", "sft"] if weight else ["sigmoid"],
            loss_weights=[1.0, weight] if weight else [1.0],
        )


class KTO(_FromTokens, KTOTrainer):
    """Kahneman-Tversky optimization."""

    reference = ("ref_logps", "ref_KL_logps")

    @staticmethod
    def arguments(settings: PreferenceTraining, options: dict[str, Any]) -> KTOConfig:
        """The arguments of TRL."""
        return KTOConfig(
            **options,
            bf16=False,
            beta=settings.beta,
            max_length=None,
            precompute_ref_log_probs=True,
        )
