"""The page of a run: what is read for it, its lines, rows and charts."""
