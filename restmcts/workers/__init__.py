"""What runs searches: tasks go in, records come out, and nothing above knows an engine."""
