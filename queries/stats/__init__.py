"""Queries about statistics."""
