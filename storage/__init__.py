"""Postgres and Redis: where state lives and how it is reached."""
