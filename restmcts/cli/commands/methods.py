"""`restmcts methods`: what can be chosen by name, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from restmcts.cli.options import AsJson, Plugins

if TYPE_CHECKING:
    from restmcts.registry import Registry


def methods(plugin: Plugins = None, as_json: AsJson = False) -> None:
    """List methods, rules, data sets, graders, engines and loops, also of other distributions.

    With --plugin also those of a Python file, whose code is run.
    """
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.cli.output.text import say
    from restmcts.plugins import load_named

    load_named(plugin or [])
    tables = [(registry.kind, list(_rows(registry))) for registry in _registries()]
    if as_json:
        print_json([{"kind": kind, **row} for kind, rows in tables for row in rows])
        return
    for number, (kind, rows) in enumerate(tables):
        if number:
            say()
        cells = [(row["name"], row["summary"], f"{row['distribution']} {row['version']}") for row in rows]
        print_table(f"{kind}s", ("name", "what it does", "from"), cells)


def _registries() -> list[Registry[Any]]:
    from restmcts.engines.registry import ENGINES
    from restmcts.grading.registry import GRADERS
    from restmcts.labels import LABEL_RULES
    from restmcts.loops.registry import LOOPS
    from restmcts.problems.registry import DATA_SETS
    from restmcts.search.registry import METHODS

    return [METHODS, LABEL_RULES, DATA_SETS, GRADERS, ENGINES, LOOPS]


def _rows(registry: Registry[Any]) -> Iterator[dict[str, str]]:
    for name in registry:
        origin = registry.origin(name)
        yield {
            "name": name,
            "summary": registry[name].summary,
            "distribution": origin.distribution,
            "version": origin.version,
        }
