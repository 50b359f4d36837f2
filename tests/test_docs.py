"""The reference says what the program has: no command, option, key or default is missing or made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from restmcts.cli.app import app
from restmcts.labels import LABEL_RULES
from restmcts.problems.registry import DATA_SETS
from restmcts.recipe import Recipe, shipped_recipes
from restmcts.search.choice import GenerationSettings
from restmcts.search.registry import METHODS
from store.answers import RULES

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")

SAME_AS_VALUE_TRAINING = {"value_start", "value_update"}
"""Tables with the keys of another one, which the reference describes once."""

NO_CELL = "–"


def shown(default: Any) -> str:
    """A default as the reference writes it."""
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def nested(annotation: Any) -> type[BaseModel] | None:
    """The settings that a field holds: alone, in a list, or where it may be none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, Union, UnionType):
        return next((found for part in get_args(annotation) if (found := nested(part))), None)
    return None


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        inner = nested(field.annotation)
        if inner is None or get_origin(field.annotation) is list:
            yield prefix + name, shown(field.get_default(call_default_factory=True))
        if inner is not None and name not in SAME_AS_VALUE_TRAINING:
            yield from keys(inner, f"{prefix}{name}.")


def expected() -> dict[str, str]:
    found = dict(keys(Recipe))
    for name in METHODS:
        found.update(keys(METHODS[name].settings, f"{name}."))
    for name in DATA_SETS:
        found.update(keys(DATA_SETS[name].settings, f"{name}."))
    settings = dict(GenerationSettings().settings)
    del settings["answer_by"]
    found.update({f"generation.{name}": shown(value) for name, value in settings.items()})
    return found


def documented() -> dict[str, str]:
    """The rows of all tables: a column is headed by ``default`` or by the table that its defaults are of."""
    found: dict[str, str] = {}
    heads: list[str] = []
    for line in REFERENCE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|") or line.startswith("|---"):
            continue
        if cells[0] == "key":
            heads = [head.strip("`") for head in cells[1:-1]]
            continue
        for head, cell in zip(heads, cells[1:-1], strict=True):
            key = cells[0].strip("`")
            key = key if head == "default" else f"{head}.{key}"
            if cell != NO_CELL:
                assert found.setdefault(key, cell) == cell, f"{key} stands there with two defaults"
    return found


def test_every_key_and_default_is_in_the_reference() -> None:
    wanted, found = expected(), documented()
    missing = {key: default for key, default in wanted.items() if key not in found}
    assert missing == {}, "write these rows in docs/reference.md"
    wrong = {key: (found[key], default) for key, default in wanted.items() if found[key] != default}
    assert wrong == {}, "docs/reference.md has another default (first) than the program (second)"


def test_the_reference_makes_no_key_up() -> None:
    assert set(documented()) - set(expected()) == set()


def commands(command: Any, path: str = "restmcts") -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, child in inner.items():
        yield from commands(child, f"{path} {name}")


COMMANDS = dict(commands(typer.main.get_command(app)))


def section(command: str) -> str:
    _, heading, rest = REFERENCE.partition(f"\n### `{command}`\n")
    assert heading, f"docs/reference.md has no section for {command}"
    return re.split(r"\n##", rest)[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_in_the_reference(command: str) -> None:
    names = {name for parameter in COMMANDS[command].params for name in parameter.opts}
    options = {name for name in names if name.startswith("-")}
    listed = " ".join(line for line in section(command).splitlines() if line.startswith("- "))
    found = set(re.findall(r"`(--?[a-z][a-z0-9-]*)", listed))
    assert found == options - {"--help"}


def test_the_reference_makes_no_command_up() -> None:
    assert set(re.findall(r"^### `(restmcts [a-z0-9 ]+)`$", REFERENCE, re.MULTILINE)) == set(COMMANDS)


def test_the_overview_of_the_readme_has_every_command_method_and_recipe() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    wanted = {*COMMANDS, *(f"`{name}`" for name in (*METHODS, *LABEL_RULES, *shipped_recipes()))}
    assert {name for name in wanted if name not in readme} == set()


def test_every_rule_is_explained() -> None:
    text = (ROOT / "docs" / "algorithm.md").read_text("utf-8")
    assert {name for name in (*RULES, *LABEL_RULES, *METHODS) if name not in text} == set()


def test_links_between_pages_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]*)", page.read_text("utf-8")):
            assert not target or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_examples_of_testing_run() -> None:
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(code, "docs/testing.md", "exec"), names)  # noqa: S102
    assert names["found"].table()[("a", "c")] == (1, 1.0)
