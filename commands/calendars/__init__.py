"""Commands on calendars."""
