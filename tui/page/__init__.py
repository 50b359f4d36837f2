"""A replay as one HTML page: read from the store, drawn by the page itself, free of any toolkit."""
