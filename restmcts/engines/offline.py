"""Keeps model libraries from asking a hub: models are folders on this machine, and no code is fetched."""

from __future__ import annotations

import os


def stay_offline() -> None:
    """Tell the libraries so; they heed it only if they were not imported before."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["USE_HUB_KERNELS"] = "NO"
