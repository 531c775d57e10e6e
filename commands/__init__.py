"""Every write, one file a command: a message and the one function that carries it out."""
