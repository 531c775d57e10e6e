"""Queries about jobs."""
