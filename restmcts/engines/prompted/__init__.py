"""Language models that are asked in words: the self-critic and prompted values."""
