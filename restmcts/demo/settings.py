"""The settings of the built-in task: problems that are generated, a base policy trained from nothing."""

from __future__ import annotations

from pydantic import Field, model_validator

from restmcts.demo.task import TinyTask
from restmcts.errors import InputError
from restmcts.problems.registry import DataSetSettings
from restmcts.training.settings import Scheduler, TrainingSettings


class TinyBase(TrainingSettings):
    """The base policy of the built-in task: a small Llama, trained on a few demonstrations.

    The base policy is mediocre on purpose; ``updates`` is the most that is tried.
    """

    learning_rate: float = Field(default=3e-3, gt=0)
    epochs: float = Field(default=1.0, gt=0)
    updates: int | None = Field(default=1500, ge=1)
    batch_size: int = Field(default=32, ge=1)
    warmup_updates: int | None = Field(default=50, ge=0)
    scheduler: Scheduler = "constant"
    weight_decay: float = Field(default=0.1, ge=0)
    beta2: float = Field(default=0.98, gt=0, lt=1)
    width: int = Field(
        default=96,
        ge=32,
        multiple_of=32,
        description="width of the model; heads have 32 dimensions, so that every engine can serve the model",
    )
    inner_width: int = Field(default=256, ge=1, description="width of its feed-forward layers")
    layers: int = Field(default=2, ge=1, description="number of its layers")
    rotary_base: float = Field(
        default=100.0,
        gt=1,
        description="base of its rotary positions; decides whether the task is learned at all",
    )
    initializer_range: float = Field(
        default=0.06,
        gt=0,
        description="standard deviation of its first weights; decides whether the task is learned at all",
    )
    target: float = Field(
        default=0.80,
        gt=0,
        lt=1,
        description=(
            "the training ends at this mean probability of the right next step after a correct prefix, on"
            " validation problems"
        ),
    )
    lowest: float = Field(
        default=0.74,
        gt=0,
        lt=1,
        description="a base policy below this probability is refused",
    )
    highest: float = Field(
        default=0.88,
        gt=0,
        lt=1,
        description="a base policy above this probability is refused",
    )

    @model_validator(mode="after")
    def _target_is_kept(self) -> TinyBase:
        if not self.lowest <= self.target <= self.highest:
            raise ValueError(
                f"target {self.target} must lie between lowest {self.lowest} and highest {self.highest}"
            )
        return self


class TinySettings(DataSetSettings):
    """The built-in task: its size (:class:`TinyTask`), its problems and its base policy."""

    data_set: str = "tiny"
    demonstrations: int = Field(
        default=1000,
        ge=1,
        description="worked solutions that the base policy learns from",
    )
    train: int = Field(default=600, ge=1, description="number of training problems")
    validation: int = Field(
        default=100,
        ge=1,
        description="number of problems that decide which checkpoint is carried on",
    )
    test: int = Field(default=200, ge=1, description="number of problems that are only measured on")
    modulus: int = Field(default=97, description="values are taken modulo this number")
    operations: int = Field(
        default=10,
        description="operations in a problem, which is the number of steps of its solution",
    )
    largest_operand: int = Field(default=9, description="`+` and `-` take 1 to this number")
    largest_factor: int = Field(default=5, description="`*` takes 2 to this number")
    operators: str = Field(default="+-*", description="some of `+`, `-` and `*`")
    base: TinyBase = Field(
        default=TinyBase(),
        description="how the base policy is trained where `models.policy` names none",
    )
    lowest_accuracy: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description=(
            "the run stops if the greedy accuracy of the base policy on validation problems is below this:"
            " nothing could be learned from it"
        ),
    )
    highest_accuracy: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="the run stops if that accuracy is above this: nothing is left to learn",
    )
    lowest_auc: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description=(
            "the run stops if a value model ranks the right above the wrong steps of held-out trees with an"
            " AUC below this"
        ),
    )

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
