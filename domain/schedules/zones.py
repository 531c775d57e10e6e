"""Time zones by their IANA names."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that IANA name."""
    return name in _names()


@cache  # ZoneInfo itself keeps only eight, and reads a file for each of the others.
def zone_of(name: str) -> ZoneInfo:
    """The time zone of a valid name."""
    return ZoneInfo(name)


@cache
def _names() -> frozenset[str]:
    # "Factory" says that nobody has set a zone.
    return frozenset(files("tzdata").joinpath("zones").read_text().split()) - {"Factory"}
