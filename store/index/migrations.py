"""The tables of the SQLite index, as numbered migrations.

A migration that has been released is never changed: the next one changes the tables. A migration that
adds what only the files know empties the table ``files``; the next sync then reads every file again.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

INDEX = Migrations("restmcts")

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


@INDEX(name="1 tables")
def _tables(database: Database) -> None:
    for statement in _FIRST.split(";\n"):
        if statement.strip():
            database.execute(statement)


def migrate(database: Database) -> None:
    """Bring the tables of ``database`` up to date; each migration is one transaction."""
    INDEX.apply(database)
