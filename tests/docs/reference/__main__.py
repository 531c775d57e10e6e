"""Write every generated page of `docs/reference`: `python -m tests.docs.reference`."""

from __future__ import annotations

from tests.docs.reference import PAGES
from tests.processes import CHECKOUT

for name, page in PAGES.items():
    (CHECKOUT / "docs" / "reference" / name).write_text(page())
