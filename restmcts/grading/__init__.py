"""Finding answers in solutions and comparing them with oracle answers."""
