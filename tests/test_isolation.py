"""docs/explain/isolation.md tells the bounds that the code has."""

from __future__ import annotations

from tests.isolation_page import page
from tests.processes import CHECKOUT


def test_the_page_is_up_to_date() -> None:
    assert (CHECKOUT / "docs" / "explain" / "isolation.md").read_text() == page(), "make isolation"
