"""Write every page that is made from the code: `python -m tests.docs.reference`."""

from __future__ import annotations

from tests.docs.reference import PAGES
from tests.processes import CHECKOUT

for name, page in PAGES.items():
    (CHECKOUT / "docs" / name).write_text(page())
