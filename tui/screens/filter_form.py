"""A filter of trees as a form: a field for each word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, Static

from store.errors import InputError
from store.filter_text import CHOICES, parse, quoted, written
from store.queries import TreeFilter
from tui.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from textual.app import ComposeResult

_FIELDS = {
    "phase": "phases",
    "method": "methods",
    "iteration": "iteration",
    "solved": "yes or no",
    "is": "kinds, such as preferred-wrong lost",
    "reason": "why the search ended",
    "problem": "the whole name of a problem",
    "text": "in problem names, questions and answers",
    "step": "in steps",
    "figures": "such as depth>6 tokens<=200 best_wrong>0.5",
}
"""The fields, by the words that they stand for, and what is to be typed there."""

_SEVERAL = ("phase", "method", "is")
"""Words that may stand there more than once: their field has values with spaces between them."""


def fields_of(wanted: TreeFilter) -> dict[str, str]:
    """What the fields hold for a filter."""
    texts = {"iteration": "" if wanted.iteration is None else str(wanted.iteration)}
    texts["solved"] = "" if wanted.solved is None else "yes" if wanted.solved else "no"
    texts |= {"phase": _joined(wanted.phases), "method": _joined(wanted.methods), "is": _joined(wanted.kinds)}
    texts |= {"reason": wanted.reason or "", "problem": wanted.problem or ""}
    texts |= {"text": wanted.text, "step": wanted.step_text}
    return texts | {"figures": written(TreeFilter(wanted.run, ranges=wanted.ranges))}


def filter_of(run: str, texts: Mapping[str, str]) -> TreeFilter:
    """The filter that the fields say.

    Raises:
        InputError: a field cannot be understood.
    """
    return parse(" ".join(_words(texts)), run)


def _joined(values: Sequence[str]) -> str:
    return " ".join(map(quoted, values))


def _words(texts: Mapping[str, str]) -> Iterator[str]:
    for name, text in texts.items():
        if name == "figures":
            yield text
        elif name in _SEVERAL:
            yield from (f"{name}:{value}" for value in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', text))
        elif text:
            yield f"{name}:{quoted(text)}"


class FilterForm(ModalScreen[TreeFilter | None]):
    """Gives back the filter that the form says, or None. ``known`` has the values of words to complete."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Close", id="form.close"),
        Binding("up", "app.focus_previous", "Field above", id="form.up"),
        Binding("down", "app.focus_next", "Field below", id="form.down"),
    ]

    def __init__(self, wanted: TreeFilter, known: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._wanted = wanted
        self._known = known

    def compose(self) -> ComposeResult:
        held = fields_of(self._wanted)
        with Vertical(classes="dialog form"):
            yield Static(Content("Filter: all fields have to hold (enter shows, esc closes)"))
            for name, hint in _FIELDS.items():
                known = (*self._known.get(name, ()), *CHOICES.get(name, ()))
                choices = [value for value in known if safe_text(value, one_line=True) == value]
                with Horizontal():
                    yield Label(Content(f"{name:<10}"))
                    yield Input(
                        safe_text(held[name], one_line=True),
                        placeholder=hint,
                        suggester=SuggestFromList(choices) if choices else None,
                        compact=True,
                        id=f"field-{name}",
                    )
            yield Static(id="form-problem")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        texts = {name: self.query_one(f"#field-{name}", Input).value.strip() for name in _FIELDS}
        try:
            found = filter_of(self._wanted.run, texts)
        except InputError as error:
            self.query_one("#form-problem", Static).update(Content(safe_text(str(error), one_line=True)))
            return
        self.dismiss(found)

    def action_cancel(self) -> None:
        self.dismiss(None)
