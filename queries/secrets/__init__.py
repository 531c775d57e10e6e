"""Queries about secrets, without their values."""
