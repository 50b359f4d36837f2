"""The files of a run: layout, JSON Lines, locks and the journal."""
