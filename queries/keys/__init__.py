"""Queries about API keys."""
