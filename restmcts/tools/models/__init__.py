"""Small models that can be made usable without a model hub."""
