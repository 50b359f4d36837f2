"""The recipes of stored runs, and whether a run goes on with a recipe."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from restmcts.errors import InputError
from restmcts.plugins import load_plugin, plugin_files
from restmcts.recipe import (
    BootstrapSettings,
    LabelSettings,
    Recipe,
    override_values,
    recipe_toml,
)
from restmcts.recipe_text import parsed
from restmcts.settings import checked
from store.files.inputs import the_same
from store.files.journal import read_journal
from store.files.layout import RunLayout
from store.files.plain import read_plain


def stored_text(root: Path, run: str) -> str:
    """The text of ``run.toml`` of a stored run.

    Raises:
        InputError: there is no such run.
        StoreError: the file is a link, or a link leads to it.
    """
    layout = RunLayout(root, run)
    path = layout.config
    try:
        return read_plain(layout.plain(path)).decode("utf-8")
    except FileNotFoundError:
        command = shlex.join(["restmcts", "runs", "--root", str(root)])
        raise InputError(f"no run {run!r} in {root}: `{command}` lists them") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read it: {error}") from None


def stored_recipe(root: Path, run: str, plugins: Sequence[Path] = ()) -> tuple[Recipe, str]:
    """The recipe of a stored run, and the text that it was read from.

    Args:
        plugins: the plug-ins that the user names. Those of the recipe are not loaded for its own sake.

    Raises:
        InputError: there is no such run; a plug-in holds something else than the one of that name that the
            run has used; or the recipe cannot be read without its plug-ins.
    """
    text = stored_text(root, run)
    layout = RunLayout(root, run)
    values = parsed(text, str(layout.config))
    used = plugin_files(values)
    _check_plugins(layout, used, plugins)
    for plugin in plugins:
        load_plugin(plugin)
    try:
        return checked(Recipe, values, str(layout.config)), text
    except InputError as error:
        missing = [file for file in used if file.name not in {plugin.name for plugin in plugins}]
        if not missing:
            raise
        names = " ".join(shlex.quote(f"plugins={file}") for file in missing)
        raise InputError(
            f"{error}; the run has used plug-ins, whose code runs only if you name them: -o {names}"
        ) from None


def _check_plugins(layout: RunLayout, used: Sequence[Path], named: Sequence[Path]) -> None:
    """Refuse to run the code of a file in the place of another that the run has used under its name."""
    names = {plugin.name for plugin in named}
    inputs = read_journal(layout).inputs if names.intersection(file.name for file in used) else {}
    known = {file.name: inputs[str(file)] for file in used if str(file) in inputs}
    for plugin in named:
        if plugin.name in known:
            the_same(plugin, known[plugin.name], layout.run)


def stored_labels(root: Path, run: str, rule: str) -> LabelSettings:
    """A label rule, with the settings that the recipe of a stored run has for it."""
    where = str(RunLayout(root, run).config)
    table = parsed(stored_text(root, run), where).get("labels", {})
    return checked(LabelSettings, table if table.get("rule") == rule else {"rule": rule}, where)


def stored_bootstrap(root: Path, run: str) -> BootstrapSettings:
    """The table ``[bootstrap]`` of a stored run, whatever else its recipe holds."""
    where = str(RunLayout(root, run).config)
    return checked(BootstrapSettings, parsed(stored_text(root, run), where).get("bootstrap", {}), where)


def config_text(root: Path, run: str, recipe: Recipe, *, extendable: bool = False) -> str:
    """The text of ``run.toml`` for a run that is new or goes on.

    Where the run was started with the same recipe, that is its own text, however it spells paths and whatever
    keys it leaves out.

    Args:
        extendable: a recipe with more test problems is the same.

    Raises:
        InputError: the run was started with more test problems.
    """
    text = recipe_toml(recipe)
    path = RunLayout(root, run).config
    if not path.exists():
        return text
    stored = stored_text(root, run)
    try:
        before = override_values(parsed(stored, str(path)), (), str(path))
    except InputError:
        return text  # whoever writes the run shows the difference
    if extendable and _without_limit(before.decisive) == _without_limit(recipe.decisive):
        _check_limit(run, _limit(before), _limit(recipe))
        return stored
    return stored if before.decisive == recipe.decisive else text


def _limit(recipe: Recipe) -> int | None:
    return getattr(recipe.problems, "test_limit", None)


def _without_limit(recipe: Recipe) -> Recipe:
    if _limit(recipe) is None:
        return recipe
    problems = recipe.problems.model_copy(update={"test_limit": None})
    return recipe.model_copy(update={"problems": problems})


def _check_limit(run: str, before: int | None, now: int | None) -> None:
    if now is not None and (before is None or now < before):
        known = "all problems" if before is None else f"{before} problems"
        raise InputError(
            f"run {run!r} was started with {known}: give at least as many (--limit), or another run name"
        )
