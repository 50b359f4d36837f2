"""Write docs/reference.md, and the table of methods in README.md: `python -m docs.reference`.

Everything comes from the program: commands from their own help, keys from the descriptions of the settings.
The prose between them is in `reference.template.md`, where a line `<!-- NAME -->` stands for a part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel

from docs.generate import commands
from docs.generate.settings import code, is_table, keys_table, nested, side_by_side, summary, table
from restmcts.grading.registry import GRADERS
from restmcts.labels import LABEL_RULES
from restmcts.problems.registry import DATA_SETS, DataSetSettings
from restmcts.recipe import Recipe
from restmcts.search.choice import MethodChoice
from restmcts.search.registry import METHODS
from restmcts.search.settings import Method
from restmcts.training.settings import TrainingSettings

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_name("reference.template.md")
REFERENCE = Path(__file__).with_name("reference.md")
README = ROOT / "README.md"


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
    """What each data set is, and the keys that it has."""
    names = table(["data set", "what it is"], [[f"`{name}`", DATA_SETS[name].summary] for name in DATA_SETS])
    return f"{names}\n\n{side_by_side({name: DATA_SETS[name].settings for name in DATA_SETS})}"


def graders() -> str:
    """The graders."""
    return table(["grader", "what it is"], [[f"`{name}`", GRADERS[name].summary] for name in GRADERS])


def trainings() -> str:
    """The keys of the trainings, those of the base policy of a data set included."""
    of_recipe = {
        name: kind
        for name in ("policy_training", "value_training")
        if (kind := nested(Recipe.model_fields[name].annotation))
    }
    of_data_sets = {
        f"problems.{key}": inner
        for name in DATA_SETS
        for key, field in DATA_SETS[name].settings.model_fields.items()
        if (inner := nested(field.annotation)) and issubclass(inner, TrainingSettings)
    }
    return side_by_side(of_recipe | of_data_sets)


def methods() -> str:
    """The settings of every method: first what all have, then a table for each that has more."""
    every = {name: METHODS[name].settings for name in METHODS}
    parts = [side_by_side(every, Method.model_fields)]
    for name, settings in every.items():
        own = [key for key in settings.model_fields if key not in Method.model_fields]
        if own:
            parts.append(f"### `{name}`\n\n{summary(settings)}\n\n{keys_table(settings, keys=own)}")
        if METHODS[name].generation:
            other = [f"`{key} = {code(value)[1:-1]}`" for key, value in METHODS[name].generation.items()]
            parts.append(f"Where `[generation]` has no `settings`, it starts from {', '.join(other)}.")
    return "\n\n".join(parts)


def label_rules() -> str:
    """The label rules, with the keys of those that have some."""
    rules = {name: LABEL_RULES[name] for name in LABEL_RULES}
    parts = [table(["rule", "what it says"], [[f"`{name}`", rule.summary] for name, rule in rules.items()])]
    parts += [f"`{name}`:\n\n{keys_table(rule.settings)}" for name, rule in rules.items() if rule.settings]
    return "\n\n".join(parts)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands.overview,
    "each command": commands.sections,
    "recipe": recipe_tables,
    "data sets": data_sets,
    "graders": graders,
    "trainings": trainings,
    "methods": methods,
    "label rules": label_rules,
}


def reference() -> str:
    """The text of docs/reference.md."""
    text = TEMPLATE.read_text("utf-8")
    return re.sub(r"^<!-- (.*) -->$", lambda found: PARTS[found[1]](), text, flags=re.MULTILINE)


def readme() -> str:
    """The text of README.md with a table of the methods that the package has."""
    rows = [[f"`{name}`", _markdown(METHODS[name].summary), f"`{_answer(name)}`"] for name in METHODS]
    inner = table(["method", "what it does", "answer"], rows)
    pattern = r"(<!-- methods: .*? -->\n).*?(<!-- end of methods -->)"
    return re.sub(
        pattern,
        lambda found: f"{found[1]}\n{inner}\n\n{found[2]}",
        README.read_text("utf-8"),
        flags=re.DOTALL,
    )


def _answer(name: str) -> str:
    return METHODS[name].settings().answer_by


def _markdown(text: str) -> str:
    return text.replace("*", r"\*")


def main() -> None:
    REFERENCE.write_text(reference(), "utf-8")
    README.write_text(readme(), "utf-8")


if __name__ == "__main__":
    main()
