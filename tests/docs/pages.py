"""Pages of documentation, as the tests read them."""

from __future__ import annotations

import re

from tests.docs.reference.rooms import tracked
from tests.processes import CHECKOUT

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """Every page that people read."""
    return tracked("*.md")


def prose(path: str) -> str:
    """A page without its blocks of code."""
    return _FENCED.sub("", (CHECKOUT / path).read_text())


def headings(path: str) -> list[str]:
    """The headings of a page."""
    return re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)


def anchor_of(heading: str) -> str:
    """What a link says behind `#` to lead to a heading."""
    return re.sub(r"[^\w -]", "", heading.casefold()).replace(" ", "-")
