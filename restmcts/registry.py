"""Registries: search methods, label rules, data sets, graders, engines and loops by name.

An entry comes with this package, from a plug-in file that a user names (:mod:`restmcts.plugins`), or from an
installed distribution that declares it as an entry point, for example

    [project.entry-points."restmcts.search_methods"]
    restarts = "my_package.restarts:RESTARTS"

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Generic, TypeVar

from restmcts import __version__
from restmcts.errors import InputError

Entry = TypeVar("Entry")

PACKAGE = "restmcts"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry comes from: ``target`` is ``module:attribute`` in a version of a distribution.

    That of a plug-in file is the name of the file, and its version the beginning of its SHA-256.
    """

    target: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A plug-in file whose code has run.

    Attributes:
        name: the name of the file, without its folder.
        sha256: the SHA-256 of the code that ran, in hexadecimal.
        module: the name of its module in ``sys.modules``.
    """

    name: str
    sha256: str
    module: str

    def entries(self, kind: type) -> Iterator[tuple[str, Origin]]:
        """The objects of a type that the file has, by the names that follow from their variables."""
        for variable, value in vars(sys.modules[self.module]).items():
            if isinstance(value, kind) and not variable.startswith("_"):
                origin = Origin(f"{self.module}:{variable}", self.name, f"sha256:{self.sha256[:12]}")
                yield variable.lower().replace("_", "-"), origin


FILES: dict[str, LoadedFile] = {}
"""The plug-in files that this process has loaded, by their paths (:mod:`restmcts.plugins`)."""


class Registry(Generic[Entry]):
    """The entries of one kind by name.

    Args:
        kind: what an entry is called in messages, for example ``search method``.
        group: the entry point group that other distributions use, for example ``restmcts.search_methods``.
        entry: the type of the entries; another object behind an entry point is refused.
        built_in: the entries of this package, ``name: "module:attribute"``. Their names cannot be taken by
            another distribution.
    """

    def __init__(self, kind: str, group: str, entry: type[Entry], built_in: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._entry = entry
        self._built_in = built_in
        self._loaded: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[str]:
        """The names: those of this package first, in their order, then the others by name."""
        yield from self._built_in
        yield from sorted(set(self._added()) - set(self._built_in))

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._added()

    def origin(self, name: str, where: str = "") -> Origin:
        """Where the entry ``name`` comes from; imports nothing.

        Raises:
            InputError: there is no such entry; the message lists the names and begins with ``where``.
        """
        added = self._added()
        if name in self._built_in:
            return self._of_package(name)
        if name in added:
            return added[name]
        prefix = f"{where}: " if where else ""
        raise InputError(f"{prefix}unknown {self.kind} {name!r}: choose from {', '.join(self)}")

    def is_added(self, name: str) -> bool:
        """Whether the entry ``name`` comes from another distribution or from a file."""
        return name in self and name not in self._built_in

    @property
    def plural(self) -> str:
        """The name of the group without the package, for example ``search_methods``."""
        return self.group.rpartition(".")[2]

    def origins(self, names: Iterable[str]) -> dict[str, str]:
        """The distribution and the version of each entry, by name: what a run says about what it used."""
        return {name: str(self.origin(name)) for name in sorted(set(names))}

    def __getitem__(self, name: str) -> Entry:
        return self.get(name)

    def get(self, name: str, where: str = "") -> Entry:
        """The entry ``name``, imported when it is first asked for.

        Raises:
            InputError: there is no such entry, or it cannot be loaded.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name, self.origin(name, where))
        return self._loaded[name]

    def _of_package(self, name: str) -> Origin:
        return Origin(self._built_in[name], PACKAGE, __version__)

    def _added(self) -> dict[str, Origin]:
        """The entries of installed distributions and of plug-in files, by name.

        A file may import what has a name already; then it is the same object.

        Raises:
            InputError: a file gives a name of something else to an entry of its own.
        """
        added = dict(_installed(self.group))
        for path, file in FILES.items():
            for name, own in file.entries(self._entry):
                known = self._of_package(name) if name in self._built_in else added.setdefault(name, own)
                if known != own and self._load(name, known) is not self._load(name, own):
                    raise InputError(
                        f"{path}: the {self.kind} {name!r} is there already, from {known}: give"
                        f" {own.target.rpartition(':')[2]} another name"
                    )
        return added

    def _load(self, name: str, origin: Origin) -> Entry:
        module, _, attribute = origin.target.partition(":")
        try:
            loaded = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            if origin.distribution == PACKAGE:
                raise
            raise InputError(f"{self.kind} {name!r} of {origin} cannot be loaded: {error}") from error
        if not isinstance(loaded, self._entry):
            raise InputError(
                f"{self.kind} {name!r} of {origin}: {origin.target} is no {self._entry.__name__}, but"
                f" {type(loaded).__name__}"
            )
        return loaded


@cache
def _installed(group: str) -> dict[str, Origin]:
    """The entries that installed distributions declare in ``group``, by name."""
    found: dict[str, Origin] = {}
    for point in metadata.entry_points(group=group):
        if point.name in found:
            raise InputError(
                f"{group}: two distributions declare {point.name!r}: {found[point.name]} and"
                f" {_distribution(point)}; uninstall one of them"
            )
        found[point.name] = _distribution(point)
    return found


def _distribution(point: metadata.EntryPoint) -> Origin:
    name, version = (point.dist.name, point.dist.version) if point.dist else ("unknown", "")
    return Origin(point.value, name, version)
