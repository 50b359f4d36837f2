"""The values of the steps of a partial solution as one value."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.aggregations import AGGREGATIONS, Aggregation

VALUES = st.lists(st.floats(0, 1).map(lambda value: round(value, 6)), min_size=1, max_size=30)


def test_by_hand() -> None:
    found = {name: combine([0.4, 0.2, 0.9]) for name, combine in AGGREGATIONS.items()}
    assert found == {"last": 0.9, "minimum": 0.2, "product": 0.072, "mean": 0.5}


def test_every_name_has_a_function() -> None:
    assert set(AGGREGATIONS) == set(get_args(Aggregation))


@pytest.mark.parametrize("name", AGGREGATIONS)
@given(values=VALUES)
def test_they_stay_between_zero_and_one(name: Aggregation, values: list[float]) -> None:
    value = AGGREGATIONS[name](values)
    assert 0 <= value <= 1
    if name in ("minimum", "mean"):
        assert min(values) - 1e-6 <= value <= max(values) + 1e-6
    assert AGGREGATIONS[name](values[:1]) == values[0]
