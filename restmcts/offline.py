"""Keeps model libraries from asking a hub: models are folders on this machine, and no code is fetched."""

from __future__ import annotations

import os

_OFF = ("1", "ON", "YES", "TRUE")
"""What ``HF_HUB_OFFLINE`` has to be for huggingface_hub to heed it, in any case."""

_SAID = os.environ.get("HF_HUB_OFFLINE", "")
"""What the user said, before this program says it to the model libraries."""


def stay_offline() -> None:
    """Tell the libraries so; they heed it only if they were not imported before."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["USE_HUB_KERNELS"] = "NO"


def is_offline() -> bool:
    """Whether the user wants nothing to be fetched from the hub, data sets included."""
    return _SAID.strip().upper() in _OFF
