"""The record of searches and runs: events, trees, JSON Lines files and a SQLite index."""
