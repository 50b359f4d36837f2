"""A report as files: one HTML page that needs no network, Markdown, JSON and CSV."""
