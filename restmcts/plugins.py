"""Plug-ins: Python files whose search methods, label rules, data sets, graders, engines and loops have names.

A registry finds what a file defines by its type. The name follows from that of the variable, as it does in
this package: ``BEST_FIRST_STEP = SearchMethod(...)`` is the search method ``best-first-step``.

To load a file is to run its code. So a file is loaded only where a user names it: on the command line, or in
a recipe that is given as a file. The recipe of a stored run may come from somebody else, and loads none.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from restmcts.errors import InputError
from restmcts.paths import located
from restmcts.registry import FILES, LoadedFile


def load_plugin(path: Path) -> LoadedFile:
    """Run the code of a file, so that registries find what it defines; a file that was loaded stays.

    Args:
        path: an absolute path.

    Raises:
        InputError: the file cannot be read, its code fails, or it has changed since it was loaded.
    """
    try:
        code = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the plug-in: {error.strerror or error}") from error
    digest = sha256(code).hexdigest()
    known = FILES.get(str(path))
    if known is None:
        known = LoadedFile(path.name, digest, f"restmcts_plugin_{len(FILES)}_{digest[:12]}")
        _execute(known.module, path, code)
        FILES[str(path)] = known
    elif known.sha256 != digest:
        raise InputError(f"{path}: the plug-in has changed since this program loaded it: start it again")
    return known


def load_named(paths: Sequence[Path]) -> list[Path]:
    """Load the files that a user names, by paths of any form; returns their absolute paths."""
    files = [Path(located(str(path))) for path in paths]
    for file in files:
        load_plugin(file)
    return files


def plugin_files(values: Mapping[str, Any], folder: Path | None = None) -> list[Path]:
    """The absolute paths of the plug-ins that the tables of a recipe name.

    Args:
        values: the tables of a recipe.
        folder: what relative paths are relative to; None: the working directory.

    Raises:
        InputError: the key holds anything else.
    """
    named = values.get("plugins", [])
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise InputError("plugins: write the path of a Python file, or a list of such paths")
    return [Path(located(name, folder)) for name in names]


def _execute(name: str, path: Path, code: bytes) -> None:
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        # Not imported from the file: what runs is what the digest was taken of, and nothing is cached.
        exec(compile(code, str(path), "exec"), vars(module))  # noqa: S102
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{path}: the plug-in cannot be loaded: {type(error).__name__}: {error}") from error
