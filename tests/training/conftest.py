"""A policy folder for the tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file
from training_models import Weights, write_policy


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The folder of a policy with random weights."""
    return write_policy(tmp_path / "policy")


@pytest.fixture
def weights() -> Callable[[Path], Weights]:
    """Reads the weights of a model folder."""
    return lambda folder: load_file(folder / "model.safetensors")
