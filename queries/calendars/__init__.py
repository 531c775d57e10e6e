"""Queries about calendars."""
