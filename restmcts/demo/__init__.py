"""The built-in task: problems, tokenizer, settings and base policy."""
