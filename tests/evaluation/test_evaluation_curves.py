"""Curves from stored searches, on every axis, and what a token costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from restmcts.errors import InputError
from restmcts.evaluation.reading.budgets import AXES, Axis, answers_at
from restmcts.evaluation.reading.curves import AXIS_NAMES, axis_of
from restmcts.evaluation.reading.flops import ModelSize, flops_axis, flops_setting, model_size, token_costs
from restmcts.loops.stored.reading import curves_of
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import BestOfN
from store.events import Cost, SearchRecord
from tests.evaluation.test_evaluation_budgets import graded
from tests.search.search_engines import engines, run, task

FLOPS = Axis(policy=7, critic=7, prompt=5, value=3)


def searches(method: str, settings: Any, flops: Axis | None = FLOPS) -> list[SearchRecord]:
    return [
        graded(run(task(method, settings, budget=120, seed=number, number=number), engines(flops=flops)))
        for number in range(5)
    ]


@pytest.mark.parametrize("axis", AXIS_NAMES)
def test_a_guided_search_has_the_answers_that_it_has_when_cut(axis: str) -> None:
    records = searches("mcts", Mcts())
    counted = axis_of(records, axis)
    top = max(counted.of(record.result.cost) for record in records)
    grid = [0, top / 9, top / 3, top, 2 * top]
    (points,) = curves_of(records, ["value-vote"], axis, grid).values()
    assert [point.x for point in points] == grid
    for point in points:
        cut = [answers_at(record, [point.x], ["value-vote"], counted) for record in records]
        answers = [found["value-vote"][0] for found in cut]
        assert list(point.outcomes.values()) == [float(answer.correct or False) for answer in answers]
        assert point.accuracy.value == pytest.approx(sum(point.outcomes.values()) / 5)
        assert counted.of(point.usage) <= point.x
    assert counted.of(points[0].usage) == 0 and points[-1].usage == points[-2].usage
    assert points[-1].usage.seconds is not None


@pytest.mark.parametrize("axis", AXIS_NAMES)
def test_sampled_traces_are_read_in_many_orders_on_every_axis(axis: str) -> None:
    records = searches("best-of-n", BestOfN(early_stop=False, read_by=["majority", "best-product"]))
    counted = axis_of(records, axis)
    top = max(counted.of(record.result.cost) for record in records)
    curves = curves_of(records, ["best-product", "majority"], axis, [top / 3, top], orders=20)
    shares = [share for points in curves.values() for point in points for share in point.outcomes.values()]
    assert any(0 < share < 1 for share in shares)
    for points in curves.values():
        for point in points:
            assert point.accuracy.low <= point.accuracy.value <= point.accuracy.high
            assert counted.of(point.usage) <= point.x + 1e-6
    assert [point.usage.value for point in curves["majority"]] == [0, 0], "a vote pays for no values"
    if axis == "value":
        assert curves["majority"][0].usage == curves["majority"][1].usage


def test_axes_that_are_not_there() -> None:
    records = searches("mcts", Mcts(), None)
    with pytest.raises(InputError, match="do not say what a token"):
        axis_of(records, "flops")
    with pytest.raises(InputError, match="does not know when"):
        axis_of(records, "seconds")
    with pytest.raises(InputError, match="unknown axis 'dollars'"):
        axis_of(records, "dollars")
    assert axis_of(records, "calls") == AXES["calls"]
    header = replace(records[0].header, settings=flops_setting(FLOPS))
    mixed = [records[0], replace(records[0], header=header)]
    with pytest.raises(InputError, match="differ in it"):
        axis_of(mixed, "flops")


SMOLLM2 = {
    "model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257}


def test_the_size_of_models_whose_size_is_published() -> None:
    """SmolLM2-135M has 134,515,008 parameters and GPT-2 124,439,808: blocks, embeddings, norms and biases."""
    found = model_size(SMOLLM2)
    assert found is not None
    norms = 576 * (2 * 30 + 1)
    assert found.blocks + found.logits + norms == 134_515_008
    found = model_size(GPT2)
    assert found is not None
    positions, norms, biases = 1024 * 768, 2 * 768 * (2 * 12 + 1), 12 * (3 + 1 + 4 + 1) * 768
    assert found.blocks + found.logits + positions + norms + biases == 124_439_808


@pytest.mark.parametrize(
    "change",
    [{"model_type": "mixtral"}, {"hidden_size": None}, {"vocab_size": "many"}, {"num_hidden_layers": -1}],
)
def test_the_size_of_other_models_is_not_known(change: dict[str, Any]) -> None:
    assert model_size(SMOLLM2 | change) is None


def test_a_head_may_have_a_width_of_its_own() -> None:
    plain, wide = model_size(SMOLLM2), model_size(SMOLLM2 | {"head_dim": 128})
    assert plain is not None and wide is not None
    assert wide.blocks - plain.blocks == 30 * 576 * (128 - 64) * (2 * 9 + 2 * 3)


def test_what_a_token_costs() -> None:
    policy, value = ModelSize(10, 3), ModelSize(4, 3)
    axis = token_costs(policy, value, valued=True)
    assert axis == Axis(policy=26, critic=26, prompt=20, value=8)
    assert axis.of(Cost(policy=2, critic=1, prompt=5, value=7, calls=9)) == 78 + 100 + 56
    assert token_costs(policy, None, valued=False) == Axis(policy=26, critic=26, prompt=20)
    assert token_costs(policy, None, valued=True) is token_costs(None, value, valued=True) is None


@pytest.mark.parametrize("settings", [{}, {"flops": 5}, {"flops": {"policy": 1}}, {"flops": {"policy": "1"}}])
def test_settings_of_others_do_not_say_what_a_token_costs(settings: dict[str, Any]) -> None:
    assert flops_axis(settings) is None
    assert flops_axis(flops_setting(FLOPS)) == FLOPS and flops_setting(None) == {}
