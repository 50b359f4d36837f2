"""Training of policies and value models, on the Trainer of transformers."""
