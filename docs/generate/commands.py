"""The commands as Markdown, from their own help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer

from docs.generate.settings import code, table
from restmcts.cli.app import app

SAID_DEFAULT = re.compile(r" \[default: (.*)\]")
"""A default that depends on something else is said in the help."""

NAMES = {int: "integer", float: "number", str: "text", bool: "switch", Path: "path"}


def commands(command: Any = None, path: str = "restmcts") -> Iterator[tuple[str, Any]]:
    """Every command with its name, for example ``restmcts train policy``."""
    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    if command.params and path != "restmcts":  # it does something without a command of its group, too
        yield path, command
    for name, child in inner.items():
        yield from commands(child, f"{path} {name}")


def overview() -> str:
    """A table of all commands."""
    rows = [
        [f"[`{name}`](#{name.replace(' ', '-')})", command.help.split("\n")[0].removesuffix(".")]
        for name, command in commands()
    ]
    return table(["command", "what it does"], rows)


def sections() -> str:
    """A section for each command: what it does, and its arguments and options."""
    return "\n\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Any) -> str:
    arguments = [_usage(found) for found in command.params if _is_argument(found)]
    needed = [
        _names(parameter)[0] + f" {_metavar(parameter)}" for parameter in command.params if _needed(parameter)
    ]
    usage = " ".join([name, *arguments, *needed])
    rows = [
        [_shown_names(parameter), _type(parameter), _default(parameter), _meaning(parameter)]
        for parameter in command.params
    ]
    return "\n\n".join(
        [f"### `{name}`", f"`{usage}`", command.help, table(["option", "type", "default", "meaning"], rows)]
    )


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _needed(parameter: Any) -> bool:
    return parameter.required and not _is_argument(parameter)


def _names(parameter: Any) -> list[str]:
    return [parameter.name.upper()] if _is_argument(parameter) else list(parameter.opts)


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.opts[0].lstrip("-").upper())


def _usage(parameter: Any) -> str:
    many = "…" if get_origin(parameter.type_descriptor.annotation) is list else ""
    name = _names(parameter)[0] + many
    return name if parameter.required else f"[{name}]"


def _shown_names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in _names(parameter))


def _type(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    many = get_origin(annotation) is list
    name = NAMES.get(get_args(annotation)[0] if many else annotation, "text")
    if parameter.metavar:
        name = " or ".join(f"`{part}`" for part in parameter.metavar.split("|"))
    smallest = getattr(parameter, "min", None)
    return name + (f" ≥ {smallest}" if smallest is not None else "") + (", repeatable" if many else "")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    said = SAID_DEFAULT.search(parameter.help)
    if said:
        return said[1]
    return "off" if parameter.default is False else code(parameter.default)


def _meaning(parameter: Any) -> str:
    return SAID_DEFAULT.sub("", parameter.help).removesuffix(".")
