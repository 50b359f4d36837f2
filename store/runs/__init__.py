"""What one run keeps, and how it is written and read."""
