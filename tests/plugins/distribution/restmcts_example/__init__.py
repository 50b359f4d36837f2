"""A search method and a label rule for restmcts."""
