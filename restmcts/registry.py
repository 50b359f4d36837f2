"""Registries: search methods, label rules, data sets, graders, engines and loops by name.

An entry comes with this package, or from an installed distribution that declares it as an entry point, for
example

    [project.entry-points."restmcts.search_methods"]
    dvts = "my_package.dvts:dvts"

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
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
    """Where an entry comes from: ``target`` is ``module:attribute`` in a version of a distribution."""

    target: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


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
        yield from sorted(set(_installed(self.group)) - set(self._built_in))

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in _installed(self.group)

    def origin(self, name: str, where: str = "") -> Origin:
        """Where the entry ``name`` comes from; imports nothing.

        Raises:
            InputError: there is no such entry; the message lists the names and begins with ``where``.
        """
        if name in self._built_in:
            return Origin(self._built_in[name], PACKAGE, __version__)
        if name in _installed(self.group):
            return _installed(self.group)[name]
        prefix = f"{where}: " if where else ""
        raise InputError(f"{prefix}unknown {self.kind} {name!r}: choose from {', '.join(self)}")

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
