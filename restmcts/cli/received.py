"""What a stored recipe does not decide alone: a store may come from somebody else.

The recipe of a stored run names the servers that its problems go to, the environment variable whose content
goes along as the key, and the files that the problems are read from. None of it is taken without the word of
whoever types the command.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from restmcts.engines.registry import ENGINES
from restmcts.engines.server_settings import OpenAiSettings, ServerSettings
from restmcts.errors import InputError
from restmcts.problems.registry import DATA_SETS
from restmcts.recipe import Recipe
from store.errors import StoreError
from store.files.fingerprints import Fingerprint, fingerprint_file
from store.files.inputs import ITSELF
from store.files.journal import read_journal
from store.files.layout import RunLayout

USUAL = OpenAiSettings().api_key_variable
"""The variable of the key, unless a recipe names another one."""


@dataclass(frozen=True, slots=True)
class Word:
    """What the user has said: the addresses of the servers and the variables of their keys, or nothing."""

    base_urls: Sequence[str] = ()
    api_key_variables: Sequence[str] = ()


def check_server(run: str, recipe: Recipe, word: Word) -> None:
    """Refuse to ask a server that the user has not named.

    Raises:
        InputError: the stored recipe names another server or key than ``word``; or a server is named, and the
            models of the run are on none.
    """
    models = recipe.models
    asked = sorted({name for name in (models.engine, models.valued_by) if ENGINES[name].asks_servers})
    if not asked:
        if word.base_urls or word.api_key_variables:
            raise InputError(f"--base-url: the models of run {run!r} are not on a server; leave it out")
        return
    known: dict[str, ServerSettings] = {"openai": models.openai, "pooling": models.pooling}
    if others := [name for name in asked if name not in known]:
        raise InputError(
            f"run {run!r} asks models by the engine {others[-1]}, and where that sends the problems is said"
            " by the stored recipe alone: write the settings yourself, with `restmcts eval --policy … -o …`"
        )
    _check_words(run, [known[name] for name in asked], word)


def _check_words(run: str, stored: Sequence[ServerSettings], word: Word) -> None:
    named = {address.rstrip("/") for address in word.base_urls}
    addresses = [address for settings in stored for address in _addresses(settings)]
    variables = sorted({settings.api_key_variable for settings in stored})
    keys = {*variables} - {USUAL} == {*word.api_key_variables} - {USUAL}
    if keys and all(address.rstrip("/") in named for address in addresses):
        return
    options = [f"--base-url {address}" for address in addresses]
    options += [f"--api-key-variable {variable}" for variable in variables if variable != USUAL]
    own = [f"the servers of {settings.address_variable}" for settings in stored if not _addresses(settings)]
    raise InputError(
        f"run {run!r} sends its problems to {', '.join([*addresses, *own])}, with the key in"
        f" {' and '.join(variables)}, because its stored recipe says so; if you want that, repeat:"
        f" {' '.join(options) or 'no --api-key-variable'}"
    )


def _addresses(settings: ServerSettings) -> list[str]:
    """Where a stored recipe sends requests.

    What the environment of the user names needs no repeating, and may hold a password.
    """
    if settings.given or os.environ.get(settings.address_variable, "").strip():
        return settings.given
    return [] if settings.hosted is None else [settings.hosted]


def check_files(root: Path, run: str, recipe: Recipe) -> None:
    """Refuse to read files outside of the store because a stored recipe names them.

    A file with the content that the run has noted is read: whoever made the store knows it.

    Raises:
        InputError: a file is outside of the store, and the run does not know what is in it.
    """
    layout = RunLayout(root, run)
    for repository in recipe.problems.unknown_repositories():
        raise InputError(
            f"run {run!r} takes its problems from the repository {repository} of the hub, because its stored"
            " recipe says so; if it is the right one, name the problems yourself by --data or --problems"
        )
    known: set[Fingerprint] | None = None
    for path in DATA_SETS[recipe.problems.data_set].files(recipe.problems):
        if _is_inside(layout, path):
            continue
        if known is None:
            noted = read_journal(layout).inputs.values()
            known = {files[ITSELF].fingerprint for files in noted if ITSELF in files}
        if not _is_known(path, known):
            raise InputError(
                f"{path}: run {run!r} reads its problems from this file, outside of the store, and has not"
                " noted this content; if it is the right file, name it yourself: --problems FILE"
            )


def _is_inside(layout: RunLayout, path: Path) -> bool:
    place, root = path.absolute(), layout.root.absolute()
    if ".." in place.parts or not place.is_relative_to(root):
        return False
    layout.plain(layout.root / place.relative_to(root))
    return True


def _is_known(path: Path, known: Collection[Fingerprint]) -> bool:
    if not known:
        return False
    try:
        return fingerprint_file(path) in known
    except StoreError as error:
        raise InputError(str(error)) from error
