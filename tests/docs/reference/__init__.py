"""Pages that are made from the code, one file a page: `make reference` writes them."""

from __future__ import annotations

from collections.abc import Callable

from tests import isolation_page
from tests.docs.reference import access, endpoints, errors, metrics, rooms, settings

PAGES: dict[str, Callable[[], str]] = {
    "explain/isolation.md": isolation_page.page,
    "reference/access.md": access.page,
    "reference/endpoints.md": endpoints.page,
    "reference/errors.md": errors.page,
    "reference/metrics.md": metrics.page,
    "reference/rooms.md": rooms.page,
    "reference/settings.md": settings.page,
}
"""By its file in `docs`: what writes it."""
