"""The settings of the built-in task: problems that are generated, a base policy trained from nothing."""

from __future__ import annotations

from pydantic import Field, model_validator

from restmcts.demo.task import TinyTask
from restmcts.errors import InputError
from restmcts.problems.registry import DataSetSettings
from restmcts.training.settings import Scheduler, TrainingSettings


class TinyBase(TrainingSettings):
    """The base policy of the built-in task: a small Llama, trained from nothing on a few demonstrations.

    It is to be mediocre: training ends as soon as ``target`` is reached, the mean probability of the
    right next step after a correct prefix on validation problems. What may be kept lies between
    ``lowest`` and ``highest``; ``updates`` is the most that is tried. Heads have 32 dimensions, so that
    every engine can serve the model; ``width`` is a multiple of that.

    The initializer range and the small base of the rotary positions decide whether the task is learned
    in seconds or not at all.
    """

    learning_rate: float = Field(default=3e-3, gt=0)
    epochs: float = Field(default=1.0, gt=0)
    updates: int | None = Field(default=1500, ge=1)
    batch_size: int = Field(default=32, ge=1)
    warmup_updates: int | None = Field(default=50, ge=0)
    scheduler: Scheduler = "constant"
    weight_decay: float = Field(default=0.1, ge=0)
    beta2: float = Field(default=0.98, gt=0, lt=1)
    width: int = Field(default=96, ge=32, multiple_of=32)
    inner_width: int = Field(default=256, ge=1)
    layers: int = Field(default=2, ge=1)
    rotary_base: float = Field(default=100.0, gt=1)
    initializer_range: float = Field(default=0.06, gt=0)
    target: float = Field(default=0.80, gt=0, lt=1)
    lowest: float = Field(default=0.74, gt=0, lt=1)
    highest: float = Field(default=0.88, gt=0, lt=1)

    @model_validator(mode="after")
    def _target_is_kept(self) -> TinyBase:
        if not self.lowest <= self.target <= self.highest:
            raise ValueError(
                f"target {self.target} must lie between lowest {self.lowest} and highest {self.highest}"
            )
        return self


class TinySettings(DataSetSettings):
    """The built-in task: how many problems of each kind, their size (:class:`TinyTask`), and the base policy.

    ``base`` is how the base policy is trained where ``models.policy`` names none. The run stops when the
    greedy accuracy of the base policy on validation problems is not between ``lowest_accuracy`` and
    ``highest_accuracy``: nothing could be learned from it, or nothing is left. The run also stops when a
    value model ranks the right above the wrong steps of held-out trees with an AUC below ``lowest_auc``.
    """

    data_set: str = "tiny"
    demonstrations: int = Field(default=1000, ge=1)
    train: int = Field(default=600, ge=1)
    validation: int = Field(default=100, ge=1)
    test: int = Field(default=200, ge=1)
    modulus: int = 97
    operations: int = 10
    largest_operand: int = 9
    largest_factor: int = 5
    operators: str = "+-*"
    base: TinyBase = TinyBase()
    lowest_accuracy: float = Field(default=0.2, ge=0, le=1)
    highest_accuracy: float = Field(default=0.7, ge=0, le=1)
    lowest_auc: float = Field(default=0.6, ge=0, le=1)

    @model_validator(mode="after")
    def _task_exists(self) -> TinySettings:
        try:
            self.task()
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def task(self) -> TinyTask:
        """The task that these settings describe."""
        return TinyTask(
            modulus=self.modulus,
            minimum_operations=self.operations,
            maximum_operations=self.operations,
            largest_operand=self.largest_operand,
            largest_factor=self.largest_factor,
            operators=self.operators,
        )
