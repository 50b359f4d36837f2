"""Settings for the property tests of the store."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# These tests write files: how long an example takes says more about the disk than about the code.
settings.register_profile("store", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("store")
