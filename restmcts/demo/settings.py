"""The settings of the built-in task: problems that are generated, a base policy trained from nothing."""

from __future__ import annotations

from pydantic import Field, model_validator

from restmcts.demo.task import TinyTask
from restmcts.errors import InputError
from restmcts.settings import Settings
from restmcts.training.settings import TinyBase


class TinyProblems(Settings):
    """How many problems of each kind are generated, and their size (:class:`TinyTask`)."""

    demonstrations: int = Field(default=1000, ge=1)
    train: int = Field(default=600, ge=1)
    validation: int = Field(default=100, ge=1)
    test: int = Field(default=200, ge=1)
    modulus: int = 97
    operations: int = 10
    largest_operand: int = 9
    largest_factor: int = 5
    operators: str = "+-*"

    @model_validator(mode="after")
    def _task_exists(self) -> TinyProblems:
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


class TinySettings(Settings):
    """The built-in task and its base policy.

    The run stops when the greedy accuracy of the base policy on validation problems is not between
    ``lowest_accuracy`` and ``highest_accuracy``: nothing could be learned from it, or nothing is left; and
    when a value model ranks the good above the bad steps of held-out trees with an AUC below ``lowest_auc``.
    """

    problems: TinyProblems = TinyProblems()
    base: TinyBase = TinyBase()
    lowest_accuracy: float = Field(default=0.2, ge=0, le=1)
    highest_accuracy: float = Field(default=0.7, ge=0, le=1)
    lowest_auc: float = Field(default=0.6, ge=0, le=1)
