"""What a terminal is sent looks the same with fewer bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.ansi import AnsiDecoder
from rich.color import ColorSystem
from rich.style import Style
from rich.text import Text
from textual.drivers.linux_driver import LinuxDriver

from store.index.reader import StoreReader
from tui.app import StoreApp
from tui.driver import SparingDriver
from tui.sparing import sparing

COLOURS = st.sampled_from([None, "default", "red", "bright_blue", "color(200)", "#123456", "#ffffff"])
STYLES = st.builds(
    Style,
    color=COLOURS,
    bgcolor=COLOURS,
    bold=st.booleans(),
    dim=st.booleans(),
    italic=st.booleans(),
    underline=st.booleans(),
    reverse=st.booleans(),
    strike=st.booleans(),
)
MOVES = st.builds("\x1b[{};{}H".format, st.integers(1, 200), st.integers(1, 200))
TEXTS = st.sampled_from(["", " ", "   ", "word", " two words ", "█▌", "日本"])
PIECES = st.lists(st.tuples(STYLES, TEXTS) | MOVES, max_size=12)


def drawn(pieces: list[tuple[Style, str] | str]) -> str:
    """The pieces as Textual sends them."""
    return "".join(
        piece if isinstance(piece, str) else piece[0].render(piece[1], color_system=ColorSystem.TRUECOLOR)
        for piece in pieces
    )


def cells(data: str) -> list[tuple[str, object]]:
    """Each character with all of its style that is to be seen there."""
    text = next(iter(AnsiDecoder().decode(data)), Text())
    found: list[tuple[str, object]] = []
    for place, letter in enumerate(text.plain):
        spans = (span.style for span in text.spans if span.start <= place < span.end)
        style = sum((Style.parse(str(each)) for each in spans), Style())
        back = None if style.bgcolor is None or style.bgcolor.is_default else style.bgcolor.name
        front = None if style.color is None or style.color.is_default else style.color.name
        marks = (bool(style.underline), bool(style.reverse), bool(style.strike))
        if letter == " " and not any(marks):
            found.append((letter, (back, marks)))
        else:
            more = (bool(style.bold), bool(style.dim), bool(style.italic))
            found.append((letter, (back, marks, front, more)))
    return found


@given(PIECES)
def test_it_looks_the_same_and_is_not_longer(pieces: list[tuple[Style, str] | str]) -> None:
    data = drawn(pieces)
    short = sparing(data)
    assert cells(short) == cells(data)
    assert len(short) <= len(data)
    # What comes later finds the terminal without a style, as it did.
    assert cells(short + "end")[-3:] == cells("end")


@pytest.mark.parametrize(
    "data",
    [
        "",
        "plain",
        "\x1b[?2026h\x1b[2J",
        "\x1b[38;2;1;2mcut\x1b[0m",
        "\x1b[53mover\x1b[0m",
        "\x1b[4:3mcurly\x1b[0m",
        "\x1b[98mno colour\x1b[0m",
    ],
)
def test_what_is_not_known_is_left_as_it_is(data: str) -> None:
    assert sparing(data) == data


def test_a_style_is_sent_once() -> None:
    row = Style(color="#e0e0e0", bgcolor="#121212", bold=True)
    mark = Style(color="#fea62b", bgcolor="#121212")
    data = drawn([(row, "one"), (row, "two"), (mark, "three"), (row, "    "), (mark, "four")])
    assert sparing(data) == (
        "\x1b[1;38;2;224;224;224;48;2;18;18;18monetwo\x1b[22;38;2;254;166;43mthree    four\x1b[m"
    )


def test_terminals_are_drawn_on_sparingly(reader: StoreReader, monkeypatch: pytest.MonkeyPatch) -> None:
    assert StoreApp(reader).driver_class is SparingDriver
    sent: list[str] = []
    monkeypatch.setattr(LinuxDriver, "write", lambda self, data: sent.append(data))
    SparingDriver.write(object.__new__(SparingDriver), "\x1b[1ma\x1b[0m\x1b[1mb\x1b[0m")
    assert sent == ["\x1b[1mab\x1b[m"]
    monkeypatch.setattr("textual.constants.DRIVER", "textual.drivers.headless_driver:HeadlessDriver")
    assert StoreApp(reader).driver_class is not SparingDriver
