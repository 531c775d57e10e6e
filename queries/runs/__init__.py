"""Queries about runs."""
