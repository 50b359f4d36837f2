"""What a run would do and what it needs, before it starts."""
