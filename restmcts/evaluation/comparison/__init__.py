"""Runs side by side: accuracy, differences on the same problems, and what they took."""
