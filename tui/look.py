"""The colours of styled text: those of the theme, made readable on every background that they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style as RichStyle
from textual.color import Color
from textual.theme import BUILTIN_THEMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.theme import Theme

    from tui.styled import Style

DEFAULT_THEME = "textual-dark"

CONTRAST = 4.5
"""The least contrast of text and background (WCAG 2.1, level AA)."""

BAR_CONTRAST = 3.0
"""The least contrast of the thumb of a scroll bar and what it moves on (WCAG 2.1, section 1.4.11)."""

BACKGROUNDS = ("background", "surface", "row-cursor", "row-cursor-blurred")
"""What styled text stands on; the last two are a chosen row, with and without the focus."""

_STEPS = 20
"""Shades between the lowest value and the highest."""

_FOCUSED, _BLURRED = 0.25, 0.1
"""How far the background of a chosen row goes to the first colour of the theme, or to that of text."""

_DIMMED = 0.35
"""How far dim text goes from its own colour to that of the background, where that is readable."""


@dataclass(frozen=True, slots=True)
class Look:
    """The style of each kind of span, and the shades of values from 0 to 1."""

    styles: Mapping[Style, RichStyle]
    shades: Sequence[RichStyle]


def look_of(theme: Theme, *, colourless: bool = False) -> Look:
    """The look that fits a theme; without colours, marks and bold text say what colours say otherwise."""
    if colourless:
        return Look(_styles(*[RichStyle()] * 4), [RichStyle()] * (_STEPS + 1))
    if theme.ansi:
        return _look_of_the_terminal()
    variables = theme.to_color_system().generate() | theme.variables
    variables |= own_colours(variables)
    on = [Color.parse(variables[name]) for name in BACKGROUNDS]
    low, middle, high = (Color.parse(variables[name]) for name in ("error", "warning", "success"))
    dim = Color.parse(variables["quiet-text"])
    shades = [_shade(low, middle, high, step / _STEPS) for step in range(_STEPS + 1)]
    styles = _styles(_style(dim), *(_style(readable(colour, on)) for colour in (high, low, middle)))
    return Look(styles, [_style(readable(shade, on)) for shade in shades])


def _look_of_the_terminal() -> Look:
    """The look of a theme that leaves the colours to the terminal."""
    low, middle, high = (RichStyle(color=name) for name in ("red", "yellow", "green"))
    thirds = (_STEPS + 1) // 3
    shades = [low] * thirds + [middle] * thirds + [high] * thirds
    return Look(_styles(RichStyle(dim=True), high, low, middle), shades)


def own_colours(variables: Mapping[str, str]) -> dict[str, str]:
    """The colours that the style sheet has beside those of a theme.

    A chosen row is near the background, so that coloured text stays readable on it.

    Args:
        variables: those of the theme. A theme of the terminal's own colours cannot be reckoned with.
    """
    if variables["background"].startswith("ansi"):
        row, text = variables["block-cursor-background"], variables["block-cursor-foreground"]
        rows = {"row-cursor": row, "row-cursor-blurred": "ansi_default", "row-cursor-text": text}
        return {**rows, "quiet-text": variables["foreground"]}
    names = ("background", "surface", "primary", "foreground")
    background, surface, primary, foreground = (Color.parse(variables[name]) for name in names)
    focused, blurred = background.blend(primary, _FOCUSED), background.blend(foreground, _BLURRED)
    quiet = readable(foreground.blend(background, _DIMMED), [background, surface, focused, blurred])
    key, panel = Color.parse(variables["accent"]), Color.parse(variables["panel"])
    return {
        "row-cursor": focused.hex,
        "row-cursor-blurred": blurred.hex,
        "row-cursor-text": readable(foreground, [focused, blurred]).hex,
        "quiet-text": quiet.hex,
        "footer-background": panel.hex,
        "footer-foreground": readable(foreground, [panel]).hex,
        "footer-description-foreground": readable(foreground, [panel]).hex,
        "footer-key-foreground": readable(key, [panel]).hex,
        **_scroll_bars(variables),
    }


def _scroll_bars(variables: Mapping[str, str]) -> dict[str, str]:
    """The colours of the thumbs of scroll bars: at rest, under the mouse, and held."""
    found = {}
    for state in ("", "-hover", "-active"):
        thumb, behind = (Color.parse(variables[f"scrollbar{part}{state}"]) for part in ("", "-background"))
        found[f"scrollbar{state}"] = readable(thumb, [behind], BAR_CONTRAST).hex
    return found


def _styles(dim: RichStyle, good: RichStyle, bad: RichStyle, mark: RichStyle) -> dict[Style, RichStyle]:
    bold = RichStyle(bold=True)
    return {
        "": RichStyle(),
        "dim": dim,
        "bold": bold,
        "title": RichStyle(bold=True, underline=True),
        "good": good + bold,
        "bad": bad + bold,
        "mark": mark if mark else bold,
    }


def _shade(low: Color, middle: Color, high: Color, value: float) -> Color:
    return low.blend(middle, value * 2) if value < 0.5 else middle.blend(high, value * 2 - 1)


def _style(colour: Color) -> RichStyle:
    return RichStyle(color=colour.rich_color)


def readable(colour: Color, backgrounds: Sequence[Color], least: float = CONTRAST) -> Color:
    """``colour``, or the nearest to it on the way to white or black that all backgrounds set off.

    The contrast to each of them is ``least`` or more.

    Where neither end is enough, it is the end that does better.
    """
    ends = [Color(255, 255, 255), Color(0, 0, 0)]
    end = max(ends, key=lambda end: _least_contrast(end, backgrounds))
    mixed = (colour.blend(end, step / _STEPS) for step in range(_STEPS + 1))
    return next((each for each in mixed if _least_contrast(each, backgrounds) >= least), end)


def _least_contrast(colour: Color, backgrounds: Sequence[Color]) -> float:
    return min(contrast(colour, background) for background in backgrounds)


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two opaque colours, from 1 to 21 (WCAG 2.1)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_current = [look_of(BUILTIN_THEMES[DEFAULT_THEME])]


def use(look: Look) -> None:
    """Draw with ``look`` from now on; screens that are shown have to be drawn again."""
    _current[:] = [look]


def rich_style(style: Style, value: float = 0.0) -> RichStyle:
    """The look of a span; a value in [0, 1] has its shade."""
    look = _current[0]
    if style == "value":
        return look.shades[round(_STEPS * min(max(value, 0.0), 1.0))]
    return look.styles[style]
