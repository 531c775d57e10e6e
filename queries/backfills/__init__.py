"""Queries about backfills."""
