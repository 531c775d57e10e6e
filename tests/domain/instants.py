"""Instants for property tests."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st


def instants(first_year: int, last_year: int) -> st.SearchStrategy[datetime]:
    """Instants of these years in UTC, to the microsecond."""
    first, last = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year, 12, 31, tzinfo=UTC)
    naive = st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None))
    return naive.map(lambda value: value.replace(tzinfo=UTC))
