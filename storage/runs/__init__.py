"""Runs as rows: claimable, claimed, owned and ended."""
