"""Curves as text: any numbers, any size, and what the page of a run says in lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isfinite

from hypothesis import given, settings
from hypothesis import strategies as st

from store.records import Progress
from tui.charts import POINTS, Chart, Curve, averaged, drawn
from tui.runs.lines import SILENT, age, bar, live_lines, number

NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
MODERATE = st.floats(min_value=-1e6, max_value=1e6)


@given(values=st.lists(NUMBERS, max_size=1_500))
def test_long_curves_are_averaged_and_not_sampled(values: list[float]) -> None:
    finite = [value for value in values if isfinite(value)]
    curve = averaged(list(map(float, range(len(values)))), values)
    assert len(curve.xs) == len(curve.ys) == min(len(finite), POINTS)
    assert list(curve.xs) == sorted(curve.xs)
    if 0 < len(finite) <= POINTS:
        assert list(curve.ys) == finite


def test_a_peak_is_in_the_mean_of_its_neighbours() -> None:
    values = [0.0] * 10_000
    values[5_003] = 100.0
    curve = averaged(list(map(float, range(10_000))), values)
    assert max(curve.ys) == 4.0


@given(
    ys=st.lists(MODERATE, max_size=40),
    width=st.integers(0, 150),
    height=st.integers(0, 40),
    log=st.booleans(),
    mark=st.sampled_from(["", "a"]),
    bounds=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_every_chart_fits(
    ys: list[float], width: int, height: int, log: bool, mark: str, bounds: bool
) -> None:
    curve = Curve(
        tuple(map(float, range(len(ys)))),
        tuple(ys),
        mark,
        tuple((y - 1, y + 1) for y in ys) if bounds else (),
    )
    text = drawn(Chart("t", (curve, curve), log=log), width, height, [(255, 0, 0)])
    rows = text.plain.rstrip("\n").split("\n")
    assert len(rows) <= max(height, 1)
    assert max(map(len, rows)) <= max(width, 24)


def test_a_chart_takes_all_room_whatever_the_terminal_of_the_process() -> None:
    curve = Curve((0.0, 1.0), (0.0, 1.0))
    rows = drawn(Chart("t", (curve,)), 150, 50, [(255, 0, 0)]).plain.rstrip("\n").split("\n")
    assert len(rows) == 50
    assert max(map(len, rows)) == 150


def test_hostile_titles_are_only_shown() -> None:
    curve = Curve((1.0, 2.0), (1.0, 2.0), "a")
    assert "\x1b" not in drawn(Chart("\x1b]0;x\x07", (curve,)), 60, 10, []).plain


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def progress(seconds_ago: float) -> Progress:
    time = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return Progress("1.search", "search", 3, 12, 0.5, 18.0, {"running": 4}, time, time, 7, "node")


def test_a_silent_process_is_told() -> None:
    def said(ago: float) -> str:
        return "\n".join("".join(span[0] for span in each) for each in live_lines(progress(ago), None, NOW))

    assert "3 of 12" in said(1) and "18.0 s left" in said(1) and "running 4" in said(1)
    assert "no sign of life" not in said(SILENT - 1)
    assert "no sign of life for 45.0 s: process 7 on node" in said(45)


def test_ages_numbers_and_bars() -> None:
    for seconds, said in ((5, "5 s ago"), (150, "2 min ago"), (7_300, "2 h ago"), (200_000, "2 d ago")):
        assert age((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == said
    assert age("yesterday", NOW) == "yesterday"
    assert [number(value) for value in (0.0052, 6320.178, 12, 0.5, "x", -3)] == [
        "0.0052",
        "6,320",
        "12",
        "0.500",
        "x",
        "-3",
    ]
    assert bar(0.5, 4) == "██░░" and bar(7.0, 2) == "██" and bar(-1.0, 2) == "░░"
