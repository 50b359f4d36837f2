"""How a process computes on a CPU, and what it keeps."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from restmcts.engines.cpu import freeze_libraries


class Part:
    """Something that holds itself, as the parts of a model hold each other."""

    def __init__(self) -> None:
        self.whole = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_model_that_was_there_at_one_call_is_given_back_by_the_next() -> None:
    """As the value model is that is closed after the policy."""
    model = Part()
    gone = weakref.ref(model)
    freeze_libraries()
    del model
    assert gone() is not None, "the collector sees it, so that nothing was kept from it"
    freeze_libraries()
    assert gone() is None


def test_what_is_there_is_kept_from_the_collector() -> None:
    freeze_libraries()
    assert gc.get_freeze_count() > 1000
