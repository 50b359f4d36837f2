"""A policy folder for the tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.training_models import write_policy


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The folder of a policy with random weights."""
    return write_policy(tmp_path / "policy")
