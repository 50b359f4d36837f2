"""A distribution of its own: built as a wheel, installed into a folder of its own, and found from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.cli.commands import Done, restmcts
from tests.cli.conftest import finished, own_store, policy, store, value

__all__ = ["finished", "own_store", "policy", "store", "value"]

SOURCE = Path(__file__).with_name("distribution")


def pip(*arguments: object) -> None:
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example distribution is installed in."""
    folder = tmp_path_factory.mktemp("plugins")
    # A build leaves files beside its sources.
    shutil.copytree(SOURCE, folder / "source")
    pip("wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", folder, folder / "source")
    (wheel,) = folder.glob("*.whl")
    pip("install", "--no-deps", "--no-index", "--target", folder / "installed", wheel)
    return folder / "installed"


@pytest.fixture(scope="session")
def with_plugins(installed: Path) -> Callable[..., Done]:
    """Runs a command where the example distribution is installed."""
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return partial(restmcts, PYTHONPATH=path)
