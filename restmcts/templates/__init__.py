"""Chat templates: programs of model folders, run in a process with limits."""
