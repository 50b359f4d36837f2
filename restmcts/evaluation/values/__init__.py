"""How good a value model is on steps whose truth is known."""
