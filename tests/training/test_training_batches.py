"""Batches: every sample in its turn, and nothing but the seed decides the order."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restmcts.training.batches import (
    UNLABELLED,
    Batches,
    Example,
    by_update,
    collate,
    plan,
    update_count,
)
from restmcts.training.settings import PolicyTraining


@given(
    samples=st.integers(1, 80),
    epochs=st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    batch_size=st.integers(1, 7),
    accumulation=st.integers(1, 3),
)
def test_epochs_show_each_sample_equally_often(
    samples: int, epochs: float, batch_size: int, accumulation: int
) -> None:
    settings = PolicyTraining(epochs=epochs, batch_size=batch_size, gradient_accumulation=accumulation)
    batches = plan(samples, settings)
    seen = Counter(member for batch in batches for member in batch)
    assert set(seen.values()) <= {int(epochs), int(epochs) + 1} - {0}
    if epochs >= 1:
        assert seen == dict.fromkeys(range(samples), int(epochs))
    assert -(-len(batches) // accumulation) == update_count(samples, settings)
    assert all(len(batch) == batch_size for batch in batches[:-1])


@given(
    samples=st.integers(1, 40),
    updates=st.integers(1, 9),
    size=st.integers(1, 5),
    accumulation=st.integers(1, 3),
)
def test_updates_replace_epochs(samples: int, updates: int, size: int, accumulation: int) -> None:
    settings = PolicyTraining(updates=updates, batch_size=size, gradient_accumulation=accumulation)
    batches = plan(samples, settings)
    assert len(batches) == updates * accumulation
    assert all(len(batch) == size for batch in batches)
    seen = Counter(member for batch in batches for member in batch)
    assert max(seen.values()) - min(seen.get(member, 0) for member in range(samples)) <= 1


def test_order_depends_on_the_seed_alone() -> None:
    first = plan(50, PolicyTraining(seed=1))
    torch.rand(7)
    assert plan(50, PolicyTraining(seed=1)) == first
    assert plan(50, PolicyTraining(seed=2)) != first


def test_collate_pads_on_the_right() -> None:
    batch = collate([Example((5, 6), (UNLABELLED, 0.5)), Example((7,), (0.25,))], torch.float32)
    assert batch["input_ids"].tolist() == [[5, 6], [7, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch["labels"].tolist() == [[UNLABELLED, 0.5], [0.25, UNLABELLED]]


def test_count_is_that_of_the_whole_update() -> None:
    examples = [Example((1, 2), (UNLABELLED, 0.5)), Example((1, 2, 3), (0.1, 0.2, 0.3))]
    data = Batches(examples, [[0], [1], [0]], 2, torch.float32)
    assert [data[index]["count"].item() for index in range(3)] == [4, 4, 1]
    assert by_update([[0], [1], [0]], 2, [2, 3]) == [5, 2]


def test_warmup_is_a_share_or_a_number_of_updates() -> None:
    assert PolicyTraining(warmup_ratio=0.1).warmup(25) == 3
    assert PolicyTraining(warmup_updates=50).warmup(25) == 50


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"dtype": "float16"}, {"rate": 1}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PolicyTraining.model_validate(wrong)


def test_settings_and_reports_come_without_torch() -> None:
    code = (
        "import sys, restmcts.training.settings, restmcts.training.report;"
        "sys.exit(bool({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
