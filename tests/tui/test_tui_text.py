"""Untrusted text, wrapping and short numbers."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from store.joiners import split_at_joiners
from tui.text import count, decimal, label, safe_text, seconds, verdict, wrap

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(categories=["C", "L", "Z", "M", "S"])))
def test_nothing_hidden_is_left(text: str) -> None:
    shown = "".join(split_at_joiners(safe_text(text))[::2])
    assert not {letter for letter in shown if unicodedata.category(letter) in HIDDEN and letter != "\n"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\rb\x08\x7f", "a␍b␈␡"),
        ("\x9b2J", "<x9b>2J"),
        ("abc\u202ecba", "abc<u202e>cba"),
        ("\ud800", "<ud800>"),
        ("\tx", "    x"),
        ("[bold]kept[/bold]\nas is", "[bold]kept[/bold]\nas is"),
        ("z" + "\u0301" * 50, "z" + "\u0301" * 3),
        ("نمی\u200cشود", "نمی\u200cشود"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d👩\u200d👧 ❤️\u200d🔥", "👩\u200d👩\u200d👧 ❤️\u200d🔥"),
        ("pass\u200dword \u200d \u200cx", "pass<u200d>word <u200d> <u200c>x"),
        ("م\u202eم\u200f\u2066", "م<u202e>م<u200f><u2066>"),
    ],
)
def test_controls_are_shown(text: str, shown: str) -> None:
    assert safe_text(text) == shown


def test_long_text_is_cut_with_a_note() -> None:
    assert safe_text("x" * 1_000_000, limit=10) == "x" * 10 + "\n… 999,990 more characters"
    assert safe_text("a\nb", one_line=True) == "a↵b"
    assert safe_text("abcdef", one_line=True, limit=3) == "abc…"


@given(st.text(), st.integers(1, 40))
def test_a_label_fits(text: str, width: int) -> None:
    shown = label(text, width)
    assert "\n" not in shown
    assert cell_len(shown) <= width


def test_a_label_of_nothing() -> None:
    assert label(None, 5) == "-"
    assert label("  spaced \n", 20) == "spaced"


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=200), st.integers(2, 30))
def test_wrapping_keeps_the_words(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(row) <= width for row in rows)


def test_wrapping_breaks_at_spaces_and_in_long_words() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrap("a\n\nb", 4) == ["a", "", "b"]
    assert wrap("漢字漢字", 4) == ["漢字", "漢字"]


def test_numbers() -> None:
    assert [count(number) for number in (0, 950, 9999, 12_345, 4_100_000, 2_500_000_000)] == [
        "0",
        "950",
        "9,999",
        "12.3k",
        "4.1M",
        "2.5G",
    ]
    assert (decimal(None), decimal(0.5)) == ("-", "0.500")
    assert [seconds(length) for length in (None, 3.21, 250, 7500)] == [
        "-",
        "3.2 s",
        "4 min 10 s",
        "2 h 05 min",
    ]
    assert [verdict(correct) for correct in (True, False, None)] == ["✓", "✗", "·"]
