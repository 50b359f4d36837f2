"""Fixtures of the tests of loops."""

from __future__ import annotations

import pytest

from tests.loops.scripted import Scripts


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """Scripted models instead of real ones."""
    return Scripts(monkeypatch)
