"""Watches of a worker process: aborted runs, forgotten runs, a wrong clock."""
