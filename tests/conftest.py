"""What tests of several packages share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from restmcts.engines.cpu import prepare_cpu

if TYPE_CHECKING:
    from tests.training.training_models import Weights

# As the program does at its start. Otherwise a process computes in one way until the first engine is
# opened, and the processes that it starts after that in another: their weights differ in the last bit.
prepare_cpu()


@pytest.fixture
def weights() -> Callable[[Path], Weights]:
    """Reads the weights of a model folder."""
    # torch is loaded by the tests that need it only.
    from safetensors.torch import load_file

    return lambda folder: load_file(folder / "model.safetensors")
