"""A training as data: what is read, and how it is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from restmcts.errors import InputError, PhaseError, RestmctsError, StoreError
from restmcts.training.group import Group
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.settings import Device, TrainingSettings
from store.records import PolicySample, PreferenceSample, ValueSample

ERRORS: Final = (InputError, PhaseError, StoreError, RestmctsError)
"""The errors that trainings raise, the family last."""

AnySample = TypeVar("AnySample", PolicySample, ValueSample, PreferenceSample)
AnySettings = TypeVar("AnySettings", bound=TrainingSettings)


@dataclass(frozen=True, slots=True)
class Job(Generic[AnySample, AnySettings]):
    """One training.

    Attributes:
        source: the folder of the model to start from.
        samples: what is learned.
        settings: how.
        device: where.
        resume: a folder for the state of the training.
        held_out: samples that figures of the model are computed on.
        share_nodes: count a node that several chains of a tree share once.
    """

    source: Path
    samples: Sequence[AnySample]
    settings: AnySettings
    device: Device = "auto"
    resume: Path | None = None
    held_out: Sequence[AnySample] = ()
    share_nodes: bool = True


Fit = Callable[[Any, Path, OnProgress | None, Group], TrainingReport]
"""Does a job in one process of a group; the one that leads writes the model into the folder."""
