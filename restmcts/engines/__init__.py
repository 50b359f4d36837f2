"""Policies and value models: what a search needs of them, and what runs them."""
