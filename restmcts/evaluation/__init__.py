"""Accuracy against token budgets, with intervals."""
