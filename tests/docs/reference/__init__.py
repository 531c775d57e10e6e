"""Reference pages that are made from the code: one file a page, written by `make reference`."""

from __future__ import annotations

from collections.abc import Callable

from tests.docs.reference import endpoints, errors, metrics, rooms, settings

PAGES: dict[str, Callable[[], str]] = {
    "endpoints.md": endpoints.page,
    "errors.md": errors.page,
    "metrics.md": metrics.page,
    "rooms.md": rooms.page,
    "settings.md": settings.page,
}
"""By its file in `docs/reference`: what writes it."""
