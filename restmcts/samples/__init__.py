"""Training samples from verified trees: pure functions over records."""
