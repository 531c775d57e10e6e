"""What the `EXAMPLES` of a body are; the first of them is what a reader wants most likely."""

from __future__ import annotations

from typing import Any, NamedTuple


class Example(NamedTuple):
    """A body that is taken as it stands."""

    name: str
    summary: str
    value: dict[str, Any]


Examples = tuple[Example, ...]

TARGET = {
    "type": "http",
    "url": "https://example.com/reports",
    "body": {"report": "daily"},
}
NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}
