"""The HTTP edge and the command line."""
