"""The engine on transformers and torch: policies, value models and process reward models."""
