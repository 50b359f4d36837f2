"""The table of the figures of value models."""

from __future__ import annotations

from typing import Any

import pytest

from restmcts.cli.output.value_figures import COLUMNS, depth_rows, print_value_figures, value_rows
from store.records import Checkpoint

FIGURES = {
    "auc": 0.9712,
    "auc.low": 0.95,
    "auc.high": 0.99,
    "likelihood_sum.auc": 0.981,
    "first_error.f1": 0.9,
    "likelihood.first_error.f1": 0.87,
    "calibration_error": 0.0412,
    "squared_error": 0.03217,
    "near": 0.812,
    "length_bias.good": -0.254,
    "at_chance": 0.0,
}


def made(kind: str = "value", /, **metrics: Any) -> Checkpoint:
    return Checkpoint("r", 1, kind, "checkpoints/1/value", None, False, metrics)


def test_a_row_for_each_value_model_that_was_judged() -> None:
    others = [made("policy", **FIGURES), made()]
    figures = "0.971", "0.95–0.99", "0.981", "0.900", "0.870", "0.0322", "0.812", "0.041", "-0.25 / –"
    assert value_rows([*others, made("start", **FIGURES), made(**FIGURES)]) == [
        ("1/start", "no", *figures),
        ("1/value", "no", *figures),
    ]
    assert len(COLUMNS) == len(value_rows([made(**FIGURES)])[0])


def test_a_value_model_at_chance_is_told() -> None:
    assert "no better than chance" in str(value_rows([made(**FIGURES | {"at_chance": 1.0})])[0][3])


def test_checkpoints_of_earlier_versions_and_of_others_have_empty_cells() -> None:
    assert value_rows([made(squared_error=0.1, auc=0.9)])[0][2:6] == ("0.900", "", "", "")
    assert value_rows([made(squared_error="\x1b[2J", auc=[1])])[0][2] == ""


def test_the_table_is_printed_where_there_are_figures(capsys: pytest.CaptureFixture[str]) -> None:
    print_value_figures([made()])
    assert capsys.readouterr().out == ""
    print_value_figures([made(**FIGURES)])
    assert "0.95–0.99" in capsys.readouterr().out


def test_figures_by_depth_stand_beside_their_control(capsys: pytest.CaptureFixture[str]) -> None:
    first = made("start", **FIGURES, **{"auc.depth_1": 0.9, "likelihood_sum.auc.depth_1": 0.8})
    later = made(**FIGURES, **{"auc.depth_10": 0.7, "auc.depth_1": 0.6, "auc.depth_x": 1})
    columns, rows = depth_rows([first, later, made("policy")], ("auc", "likelihood_sum.auc"))
    assert columns == ["depth", f"{first.iteration}/start", f"{later.iteration}/value"]
    assert rows == [[1, "0.900 / 0.800", "0.600 / –"], [10, "", "0.700 / –"]]
    assert depth_rows([made(**FIGURES)], ("auc",))[1] == []
    print_value_figures([first])
    printed = capsys.readouterr().out
    assert "AUC by depth: value model / log-probability as control" in printed and "0.900 / 0.800" in printed
    assert "calibration error by depth" not in printed
