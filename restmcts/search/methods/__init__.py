"""The search methods: one file a method, pure generators of requests."""
