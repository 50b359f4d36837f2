"""Published data sets, one file each: where its rows are, and which field is what."""
