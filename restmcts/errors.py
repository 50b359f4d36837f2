"""The exceptions of restmcts; see :mod:`store.errors` for the family."""

from __future__ import annotations

from store.errors import InputError, RestmctsError, StoreError

__all__ = ["EngineError", "InputError", "PhaseError", "RestmctsError", "StoreError"]


class EngineError(RestmctsError):
    """A policy or value model failed."""


class PhaseError(RestmctsError):
    """A phase of a run cannot go on: nothing was kept, a target was not reached."""
