"""Firings of jobs: runs, attempts, and their statistics."""
