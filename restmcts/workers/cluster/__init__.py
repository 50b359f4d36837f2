"""Searches on the processes of a Ray cluster. Nothing else in the program knows Ray."""
