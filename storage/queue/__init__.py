"""The Dramatiq broker, and what goes through it."""
