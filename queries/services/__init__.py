"""Queries about services, their members and targets."""
