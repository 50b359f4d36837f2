"""The keys and the marks of the screens as Markdown tables, from their bindings and legends."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode

import tui.screens
import tui.taking
import tui.widgets
from docs.generate.settings import escape, table
from tui.app import StoreApp
from tui.screens.help import meaning_of


def holders() -> dict[str, type[DOMNode]]:
    """The application, the screens and the widgets that have keys of their own, by their names."""
    modules = [
        import_module(f"{package.__name__}.{module.name}")
        for package in (tui.screens, tui.widgets)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    modules.append(tui.taking)
    found = [kind for module in modules for kind in vars(module).values() if _has_keys(kind, module.__name__)]
    return {kind.__name__: kind for kind in (StoreApp, *found)}


def _has_keys(kind: object, module: str) -> bool:
    """Whether ``kind`` is a class of ``module`` with keys of its own."""
    return (
        isinstance(kind, type)
        and kind.__module__ == module
        and issubclass(kind, DOMNode)
        and bool(vars(kind).get("BINDINGS"))
    )


def keys(name: str) -> str:
    """The table of the keys of one of :func:`holders`, and that of its marks if it is a screen with marks."""
    kind = holders()[name]
    tables = [table(["key", "what it does"], _key_rows(kind))]
    legend = vars(kind).get("LEGEND")
    if legend:
        tables.append(table(["mark", "meaning"], [[code(sign), escape(text)] for sign, text in legend]))
    return "\n\n".join(tables)


def _key_rows(kind: type[Any]) -> Iterator[list[str]]:
    display = App[None]()
    for binding in kind.BINDINGS:
        assert isinstance(binding, Binding)
        if binding.description:
            names = [
                display.get_key_display(replace(binding, key=key.strip(), key_display=None))
                for key in binding.key.split(",")
            ]
            yield [" ".join(map(code, names)), escape(meaning_of(binding))]


def code(sign: str) -> str:
    """A sign as code in a cell of a table."""
    return f"`{sign}`".replace("|", "\\|")
