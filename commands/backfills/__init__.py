"""Commands on backfills."""
