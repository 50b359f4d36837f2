"""Whether two numbers or expressions are equal, whatever their spelling."""
