"""Brings a database to the schema of the index, and lists in it which migrations it has had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlite_utils import Migrations

from store.index.schema import APPLICATION_ID, MIGRATIONS, SET, statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlite_utils import Database

INDEX = Migrations(SET)


def _migration(sql: str) -> Callable[[Database], None]:
    def apply(database: Database) -> None:
        for statement in statements(sql):
            database.execute(statement)

    return apply


for _name, _sql in MIGRATIONS:
    INDEX(name=_name)(_migration(_sql))


def migrate(database: Database) -> None:
    """Bring the tables of ``database`` up to date; each migration is one transaction."""
    INDEX.apply(database)
    ((application,),) = database.execute("PRAGMA application_id").fetchall()
    if application != APPLICATION_ID:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
