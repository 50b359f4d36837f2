"""Write docs/reference.md, and the tables in README.md and docs/tui.md: `python -m docs.reference`.

Everything comes from the program: commands from their own help, keys from the descriptions of the settings.
The prose between them is in `reference.template.md`, where a line `<!-- NAME -->` stands for a part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from docs.generate import commands, screens
from docs.generate.settings import (
    code,
    escape,
    is_table,
    keys_table,
    nested,
    own_keys,
    side_by_side,
    summary,
    table,
)
from restmcts.engines.registry import ENGINES
from restmcts.grading.registry import GRADERS
from restmcts.labels import LABEL_RULES
from restmcts.loops.registry import LOOPS
from restmcts.problems.published import PublishedProblems
from restmcts.problems.registry import DATA_SETS, DataSetSettings
from restmcts.recipe import Recipe
from restmcts.registry import Registry
from restmcts.search.choice import MethodChoice
from restmcts.search.registry import METHODS
from restmcts.search.settings import AnswerConstantsSettings, Method
from restmcts.training.settings import LoraSettings, TrainingSettings

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_name("reference.template.md")
REFERENCE = Path(__file__).with_name("reference.md")
README = ROOT / "README.md"
SCREENS = Path(__file__).with_name("tui.md")


def recipe_tables() -> str:
    """The tables of a recipe, except the data sets and the trainings, which have sections of their own."""
    return "\n\n".join(["### At the top", keys_table(Recipe), *_tables(Recipe, "")])


def _tables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for key, field in model.model_fields.items():
        inner = nested(field.annotation)
        if inner is None or issubclass(inner, DataSetSettings | TrainingSettings):
            continue
        path = f"{prefix}{key}"
        if is_table(field):
            yield f"### `[{path}]`\n\n{summary(inner)}\n\n{keys_table(inner, f'{path}.')}"
            yield from _tables(inner, f"{path}.")
        elif issubclass(inner, MethodChoice):
            yield f"A table of `[[{path}]]`:\n\n{keys_table(inner, f'{path}.')}"


def data_sets() -> str:
    """What each data set is, and the keys that it has; first those whose problems others have published."""
    published = {name: found.published for name in DATA_SETS if (found := DATA_SETS[name]).published}
    parts = [keys_table(DataSetSettings, "problems."), "### Published data sets"]
    rows = [
        [f"`{name}`", escape(DATA_SETS[name].summary), _sizes(found.sizes), f"`{_grader(name)}`", _hub(name)]
        for name, found in published.items()
        if found.sizes
    ]
    parts.append(table(["data set", "what it is", "rows", "grader", "repository"], rows))
    parts.append(keys_table(PublishedProblems, "problems.", own_keys(PublishedProblems, DataSetSettings)))
    for name in DATA_SETS:
        settings = DATA_SETS[name].settings
        base = PublishedProblems if name in published else DataSetSettings
        keys = keys_table(settings, "problems.", own_keys(settings, base))
        keys = "\n\n".join([keys, *_tables_of_set(settings)]).strip()
        if keys:
            parts.append(f"### `{name}`\n\n{escape(_sentence(DATA_SETS[name].summary))}\n\n{keys}")
    return "\n\n".join(parts)


def _tables_of_set(settings: type[DataSetSettings]) -> Iterator[str]:
    """The tables in the settings of a data set, except trainings, which have a section of their own."""
    tables = {key: field for key, field in settings.model_fields.items() if is_table(field)}
    sets = [
        [f"`problems.{key}`", "name or table", escape(field.description or "")]
        for key, field in tables.items()
        if issubclass(nested(field.annotation) or BaseModel, DataSetSettings)
    ]
    if sets:
        yield table(["key", "type", "meaning"], sets)
    for key, field in tables.items():
        inner = nested(field.annotation)
        if inner is not None and not issubclass(inner, DataSetSettings | TrainingSettings):
            yield keys_table(inner, f"problems.{key}.")


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in sizes.items())


def _grader(name: str) -> str:
    return str(DATA_SETS[name].settings.model_fields["grader"].default)


def _hub(name: str) -> str:
    published = DATA_SETS[name].published
    assert published is not None
    sources = published.sources(DATA_SETS[name].settings()).values()
    return ", ".join(sorted({f"`{source.repository}`" for source in sources}))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def graders() -> str:
    """The graders."""
    rows = [[f"`{name}`", escape(GRADERS[name].summary)] for name in GRADERS]
    return table(["grader", "what it compares"], rows)


def trainings() -> str:
    """The keys of the trainings, those of the base policy of a data set included."""
    of_recipe = {
        name: kind
        for name in ("policy_training", "preference_training", "value_training")
        if (kind := nested(Recipe.model_fields[name].annotation))
    }
    of_data_sets = {
        f"problems.{key}": inner
        for name in DATA_SETS
        for key, field in DATA_SETS[name].settings.model_fields.items()
        if (inner := nested(field.annotation)) and issubclass(inner, TrainingSettings)
    }
    tables = [side_by_side(of_recipe | of_data_sets), f"{summary(LoraSettings)}"]
    return "\n\n".join([*tables, keys_table(LoraSettings, "lora.")])


def methods() -> str:
    """The settings of every method: first what all have, then a table for each that has more."""
    every = {name: METHODS[name].settings for name in METHODS}
    parts = [side_by_side(every, Method.model_fields)]
    constants = keys_table(AnswerConstantsSettings, "constants.")
    parts.append(f"### Constants\n\n{summary(AnswerConstantsSettings)}\n\n{constants}")
    for settings in dict.fromkeys(every.values()):
        own = own_keys(settings, Method)
        names = [name for name in every if every[name] is settings]
        heading = ", ".join(f"`{name}`" for name in names)
        if own:
            parts.append(f"### {heading}\n\n{summary(settings)}\n\n{keys_table(settings, keys=own)}")
        parts += [_of_generation(METHODS[name].generation) for name in names if METHODS[name].generation]
    return "\n\n".join(parts)


def _of_generation(settings: Mapping[str, object]) -> str:
    rows = [[f"`{key}`", code(value)] for key, value in settings.items()]
    heads = ["key", "default in `[generation]`"]
    return f"A recipe whose `[generation]` has no `settings` starts from:\n\n{table(heads, rows)}"


def label_rules() -> str:
    """The label rules, with the keys of those that have some."""
    return _entries("rule", LABEL_RULES)


def engines() -> str:
    """The engines, with the keys of those that have some in `models.settings`."""
    return _entries("engine", ENGINES)


def loops() -> str:
    """The self-training loops, with the keys of those that have some."""
    return _entries("loop", LOOPS)


def _entries(kind: str, registry: Registry[Any]) -> str:
    """What each entry of a registry is, and the keys of its settings."""
    entries = {name: registry[name] for name in registry}
    parts = [
        table(
            [kind, "what it does"], [[f"`{name}`", escape(found.summary)] for name, found in entries.items()]
        )
    ]
    for name, found in entries.items():
        if found.settings and found.settings.model_fields:
            parts.append(f"`{name}`:\n\n{keys_table(found.settings)}")
            parts += _lists_of(found.settings)
    return "\n\n".join(parts)


def _lists_of(settings: type[BaseModel]) -> Iterator[str]:
    """The keys of the tables that settings hold in lists, with those of tables inside them."""
    for key, field in settings.model_fields.items():
        inner = nested(field.annotation)
        if inner is None or is_table(field):
            continue
        tables = {
            f"{name}.": kind
            for name, part in inner.model_fields.items()
            if is_table(part) and (kind := nested(part.annotation))
        }
        yield f"A table of `{key}`:\n\n{keys_table(inner)}"
        yield from (keys_table(kind, prefix) for prefix, kind in tables.items())


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands.overview,
    "each command": commands.sections,
    "recipe": recipe_tables,
    "data sets": data_sets,
    "graders": graders,
    "trainings": trainings,
    "methods": methods,
    "label rules": label_rules,
    "engines": engines,
    "loops": loops,
}


def reference() -> str:
    """The text of docs/reference.md."""
    text = TEMPLATE.read_text("utf-8")
    return re.sub(r"^<!-- (.*) -->$", lambda found: PARTS[found[1]](), text, flags=re.MULTILINE)


def readme() -> str:
    """The text of README.md with a table of the methods that the package has."""
    rows = [[f"`{name}`", escape(METHODS[name].summary), f"`{_answer(name)}`"] for name in METHODS]
    inner = table(["method", "what it does", "answer"], rows)
    pattern = r"(<!-- methods: .*? -->\n).*?(<!-- end of methods -->)"
    return re.sub(
        pattern,
        lambda found: f"{found[1]}\n{inner}\n\n{found[2]}",
        README.read_text("utf-8"),
        flags=re.DOTALL,
    )


def screen_keys() -> str:
    """The text of docs/tui.md with the keys and marks that the screens have."""
    return re.sub(
        r"(<!-- keys: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{screens.keys(found[2])}\n\n{found[3]}",
        SCREENS.read_text("utf-8"),
        flags=re.DOTALL,
    )


def _answer(name: str) -> str:
    return METHODS[name].settings().answer_by


def main() -> None:
    REFERENCE.write_text(reference(), "utf-8")
    README.write_text(readme(), "utf-8")
    SCREENS.write_text(screen_keys(), "utf-8")


if __name__ == "__main__":
    main()
