"""Plug-ins: Python files whose search methods, label rules, data sets, graders, engines and loops have names.

A registry finds what a file defines by its type. The name follows from that of the variable, as it does in
this package: ``BEST_FIRST_STEP = SearchMethod(...)`` is the search method ``best-first-step``.

To load a file is to run its code. So a file is loaded only where a user names it: on the command line, or in
a recipe that is given as a file. The recipe of a stored run may come from somebody else, and loads none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from restmcts.errors import InputError


@dataclass(frozen=True, slots=True)
class Plugin:
    """A file that was loaded.

    Attributes:
        path: the file, as an absolute path.
        sha256: the SHA-256 of the code that ran, in hexadecimal.
        module: the name of its module in ``sys.modules``.
    """

    path: Path
    sha256: str
    module: str

    def names(self, kind: type) -> Iterator[tuple[str, str]]:
        """The names of the objects of a type that the file has, each with its variable."""
        for variable, value in vars(sys.modules[self.module]).items():
            if isinstance(value, kind) and not variable.startswith("_"):
                yield variable.lower().replace("_", "-"), variable


_LOADED: dict[Path, Plugin] = {}


def loaded_plugins() -> list[Plugin]:
    """The files that this process has loaded, in that order."""
    return list(_LOADED.values())


def load_plugin(path: Path) -> Plugin:
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
    known = _LOADED.get(path)
    if known is None:
        known = Plugin(path, digest, f"restmcts_plugin_{len(_LOADED)}_{digest[:12]}")
        _execute(known, code)
        _LOADED[path] = known
    elif known.sha256 != digest:
        raise InputError(f"{path}: the plug-in has changed since this program loaded it: start it again")
    return known


def _execute(plugin: Plugin, code: bytes) -> None:
    module = ModuleType(plugin.module)
    module.__file__ = str(plugin.path)
    sys.modules[plugin.module] = module
    try:
        # Not imported from the file: what runs is what the digest was taken of, and nothing is cached.
        exec(compile(code, str(plugin.path), "exec"), vars(module))  # noqa: S102
    except (Exception, SystemExit) as error:
        del sys.modules[plugin.module]
        raise InputError(
            f"{plugin.path}: the plug-in cannot be loaded: {type(error).__name__}: {error}"
        ) from error
