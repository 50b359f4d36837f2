"""Runs of several stores in one: shards of a search become one run, and whole runs are copied."""
