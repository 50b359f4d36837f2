"""The schema of the SQLite index: its tables, its versions, and whether a database has them.

A migration that has been released is never changed: the next one changes the tables. A migration that
adds what only the files know empties the table ``files``; the next sync then reads every file again.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x52535453
"""What marks a database as an index of this program (``PRAGMA application_id``); 0 in the oldest ones."""

TABLES = (
    "runs",
    "phases",
    "problems",
    "trees",
    "nodes",
    "labels",
    "samples",
    "checkpoints",
    "metrics",
    "evaluations",
    "outcomes",
    "settings",
    "documents",
    "files",
)

_FIRST = """
CREATE TABLE runs (
    run TEXT PRIMARY KEY, recipe TEXT NOT NULL, created TEXT NOT NULL, status TEXT NOT NULL,
    phase TEXT, iteration INTEGER
) WITHOUT ROWID;
CREATE TABLE phases (
    run TEXT NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL,
    iteration INTEGER, status TEXT NOT NULL, started TEXT NOT NULL, seconds REAL, summary TEXT NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE problems (
    run TEXT NOT NULL, phase TEXT NOT NULL, problem TEXT NOT NULL, question TEXT NOT NULL, oracle TEXT,
    PRIMARY KEY (run, phase, problem)
);
CREATE TABLE trees (
    run TEXT NOT NULL, phase TEXT NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL,
    iteration INTEGER, problem TEXT NOT NULL, method TEXT NOT NULL, answer_by TEXT NOT NULL,
    budget INTEGER, policy TEXT NOT NULL, value TEXT, seed INTEGER NOT NULL, answer TEXT,
    correct INTEGER, reason TEXT NOT NULL, nodes INTEGER NOT NULL, finished INTEGER NOT NULL,
    policy_tokens INTEGER NOT NULL, critic_tokens INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
    value_tokens INTEGER NOT NULL, calls INTEGER NOT NULL, seconds REAL NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (run, phase, number)
) WITHOUT ROWID;
CREATE INDEX trees_by_number ON trees (run, number, phase);
CREATE INDEX trees_by_method ON trees (run, method, iteration);
CREATE INDEX trees_by_iteration ON trees (run, iteration);
CREATE INDEX trees_by_outcome ON trees (run, phase, correct, policy_tokens);
CREATE TABLE nodes (
    run TEXT NOT NULL, tree TEXT NOT NULL, node INTEGER NOT NULL, parent INTEGER,
    depth INTEGER NOT NULL, step TEXT, score REAL, value REAL NOT NULL, visits INTEGER NOT NULL,
    samples INTEGER NOT NULL, finished INTEGER NOT NULL, answer TEXT, correct INTEGER,
    PRIMARY KEY (run, tree, node)
) WITHOUT ROWID;
CREATE TABLE labels (
    run TEXT NOT NULL, tree TEXT NOT NULL, rule TEXT NOT NULL, phase TEXT NOT NULL,
    node INTEGER NOT NULL, value REAL,
    PRIMARY KEY (run, tree, rule, phase, node)
) WITHOUT ROWID;
CREATE TABLE samples (
    run TEXT NOT NULL, phase TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL,
    problem TEXT NOT NULL, steps INTEGER NOT NULL, text TEXT NOT NULL, value REAL, labels TEXT,
    trees TEXT NOT NULL,
    PRIMARY KEY (run, phase, number)
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    run TEXT NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL, iteration INTEGER NOT NULL,
    kind TEXT NOT NULL, path TEXT NOT NULL, parent TEXT, carried INTEGER NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE metrics (
    run TEXT NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL, iteration INTEGER,
    name TEXT NOT NULL, value REAL NOT NULL, step INTEGER, fields TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE evaluations (
    run TEXT NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL, iteration INTEGER,
    method TEXT NOT NULL, budget INTEGER, traces REAL, problems INTEGER NOT NULL,
    correct INTEGER NOT NULL, accuracy REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
    policy_tokens REAL NOT NULL, value_tokens REAL NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE files (
    run TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, lines INTEGER NOT NULL,
    inode INTEGER NOT NULL, modified INTEGER NOT NULL,
    PRIMARY KEY (run, path)
) WITHOUT ROWID;
"""

_AXES = """
ALTER TABLE evaluations ADD COLUMN critic_tokens REAL;
ALTER TABLE evaluations ADD COLUMN prompt_tokens REAL;
ALTER TABLE evaluations ADD COLUMN calls REAL;
ALTER TABLE evaluations ADD COLUMN flops REAL;
ALTER TABLE evaluations ADD COLUMN searches TEXT;
ALTER TABLE evaluations ADD COLUMN rule TEXT;
DELETE FROM files WHERE path = 'evaluations.jsonl';
"""

_QUESTIONS = """
ALTER TABLE trees ADD COLUMN asked TEXT;
ALTER TABLE trees ADD COLUMN depth INTEGER;
ALTER TABLE trees ADD COLUMN leaves INTEGER;
ALTER TABLE trees ADD COLUMN "right" INTEGER;
ALTER TABLE trees ADD COLUMN distinct_answers INTEGER;
ALTER TABLE trees ADD COLUMN best_right REAL;
ALTER TABLE trees ADD COLUMN best_wrong REAL;
ALTER TABLE trees ADD COLUMN first_right_event INTEGER;
ALTER TABLE trees ADD COLUMN first_right_tokens INTEGER;
ALTER TABLE trees ADD COLUMN answer_changes INTEGER;
ALTER TABLE trees ADD COLUMN ever_right INTEGER;
ALTER TABLE trees ADD COLUMN rounds INTEGER;
ALTER TABLE trees ADD COLUMN idle_rounds INTEGER;
ALTER TABLE trees ADD COLUMN message TEXT;
ALTER TABLE trees ADD COLUMN answer_path TEXT;
DROP INDEX trees_by_number;
CREATE INDEX trees_by_number ON trees (
    run, number, phase, problem, method, iteration, correct, reason, asked, nodes, finished, depth, leaves,
    "right", distinct_answers, policy_tokens, critic_tokens, value_tokens, seconds, rounds, idle_rounds,
    answer_changes, ever_right, best_right, best_wrong, first_right_tokens
);
CREATE INDEX trees_by_problem ON trees (run, problem, phase, method, correct);
DROP TABLE labels;
CREATE TABLE labels (
    run TEXT NOT NULL, tree TEXT NOT NULL, rule TEXT NOT NULL, phase TEXT NOT NULL,
    labels TEXT NOT NULL, lowest REAL,
    PRIMARY KEY (run, tree, rule, phase)
) WITHOUT ROWID;
CREATE TABLE outcomes (
    run TEXT NOT NULL, line INTEGER NOT NULL, place INTEGER NOT NULL, phase TEXT NOT NULL,
    method TEXT NOT NULL, rule TEXT NOT NULL, budget INTEGER, problem TEXT NOT NULL,
    number INTEGER NOT NULL, share REAL, tokens REAL NOT NULL,
    PRIMARY KEY (run, line, place)
) WITHOUT ROWID;
CREATE INDEX outcomes_by_row ON outcomes (run, phase, method, rule, budget);
CREATE TABLE settings (
    run TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE documents (
    document INTEGER PRIMARY KEY, run TEXT NOT NULL, phase TEXT NOT NULL, number INTEGER NOT NULL,
    UNIQUE (run, phase, number)
);
CREATE VIEW documents_text AS
    SELECT document, (
        SELECT group_concat(step, char(10)) FROM nodes
        WHERE nodes.run = documents.run AND tree = documents.phase || '/' || documents.number
    ) AS text
    FROM documents;
CREATE VIRTUAL TABLE steps USING fts5(
    text, content = 'documents_text', content_rowid = 'document', tokenize = 'trigram', columnsize = 0
);
DELETE FROM files;
"""

_SEARCHES_OF_OTHER_PHASES = """
ALTER TABLE outcomes ADD COLUMN trees_phase TEXT;
"""

_VALUES_THAT_NOTHING_GAVE = """
UPDATE trees SET best_right = NULL WHERE best_right = 0 AND NOT EXISTS (
    SELECT 1 FROM nodes WHERE nodes.run = trees.run AND nodes.tree = trees.id AND nodes.finished
    AND nodes.correct = 1 AND (score IS NOT NULL OR visits > 0)
);
UPDATE trees SET best_wrong = NULL WHERE best_wrong = 0 AND NOT EXISTS (
    SELECT 1 FROM nodes WHERE nodes.run = trees.run AND nodes.tree = trees.id AND nodes.finished
    AND nodes.correct = 0 AND (score IS NOT NULL OR visits > 0)
);
"""

MIGRATIONS = (
    ("1 tables", _FIRST),
    ("2 what evaluations took", _AXES),
    ("3 what screens ask for", _QUESTIONS),
    ("4 searches of other phases", _SEARCHES_OF_OTHER_PHASES),
    ("5 values that nothing gave", _VALUES_THAT_NOTHING_GAVE),
)
"""The migrations in their order: the name that the database lists (``_sqlite_migrations``), and the SQL."""

SET = "restmcts"
"""The name of the set of migrations in that list."""

Kind = Literal["empty", "current", "older", "newer", "changed", "foreign"]
"""``empty`` has no table; ``older`` lacks migrations, ``newer`` has unknown ones; ``changed`` has the right
migrations but other tables; ``foreign`` is a database of another program."""


def statements(sql: str) -> Iterator[str]:
    """The single statements of a migration."""
    return (statement for statement in sql.split(";\n") if statement.strip())


def kind_of(connection: sqlite3.Connection) -> Kind:
    """What a database is. Raises :class:`sqlite3.Error` when it cannot be read."""
    found = _tables(connection)
    if not found:
        return "empty"
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    if application not in (0, APPLICATION_ID):
        return "foreign"
    if "_sqlite_migrations" not in found:
        return "changed" if application or found.keys() & set(TABLES) else "foreign"
    listed = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (SET,))
    applied, known = {name for (name,) in listed}, {name for name, _ in MIGRATIONS}
    if applied - known:
        return "newer"
    if known - applied:
        return "older"
    expected = _expected()
    return "current" if {name: found.get(name) for name in expected} == expected else "changed"


def explained(kind: Kind, path: Path) -> str | None:
    """Why a database of this kind cannot be read as an index, and what to do; None if it can be read."""
    rebuild = "`restmcts store rebuild` makes it anew from the files"
    return {
        "current": None,
        "empty": f"{path} has no tables: {rebuild}",
        "older": f"{path} was made by an older restmcts: {rebuild}",
        "newer": f"{path} was made by a newer restmcts: upgrade restmcts; or {rebuild}, for this version",
        "changed": f"{path} has other tables than this version of restmcts makes: {rebuild}",
        "foreign": f"{path} is a database of another program: move it away; then {rebuild}",
    }[kind]


def _tables(connection: sqlite3.Connection) -> dict[str, str]:
    """The tables and their indexes, each with the SQL that made it.

    Without the tables in which SQLite keeps the full-text index: each version of SQLite makes its own.
    """
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: sql for name, sql in rows if not name.startswith("steps_")}


@cache
def _expected() -> dict[str, str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for _, sql in MIGRATIONS:
            for statement in statements(sql):
                connection.execute(statement)
        return _tables(connection)
