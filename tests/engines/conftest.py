"""What the tests of models on a server share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.fault_server import FaultServer


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys and addresses of whoever runs the tests; a proxy that nothing on this machine may ask."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def server(own_environment: None) -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running
