"""Comparisons: what is marked, what is read, and rows."""
