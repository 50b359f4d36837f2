"""The self-training loop: search, verify, label, select, train, evaluate."""
