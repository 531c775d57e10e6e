"""Postgres, Redis and the embedded servers: where state lives and how it is reached."""
