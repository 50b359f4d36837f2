"""Searches at once against a server of whose replies a quarter is wrong in every way that is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fault_server_load import faults, load
from tests.engines.fault_server import FaultServer

pytestmark = pytest.mark.usefixtures("own_environment")

SEARCHES = 40


def test_no_search_is_lost_where_a_quarter_of_the_replies_is_wrong(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.fail(*["fine"] * 8)
        server.choose = faults(3, 0.25)
        found = load(tmp_path, server.url, SEARCHES, rounds=1, timeout=0.5, retries=8, concurrency=40)
    assert found.stored == SEARCHES and found.problems == []
    assert found.reasons["failed"] <= 1
    # More came than was asked for once: requests were tried again.
    assert len(server.posts) > 1.1 * found.requests
