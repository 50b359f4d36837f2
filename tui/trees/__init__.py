"""The list of trees: its pages, rows and preview."""
