"""What `python -m docs.reference` writes."""
