"""Time zones by their IANA names, from the pinned tables of the `tzdata` package alone."""

from __future__ import annotations

import zoneinfo
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata

from domain.errors import Invalid

# The host's tables would come first, and hosts differ: distributions lag by months. What was read
# of them before, by somebody else, is forgotten.
zoneinfo.reset_tzpath(())
ZoneInfo.clear_cache()

VERSION: str = tzdata.IANA_VERSION
"""Of the tables, such as "2026f"; later ones sort higher."""


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that IANA name."""
    return name in _names()


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        Invalid: When there is no such zone.
    """
    if not is_zone(name):
        raise Invalid(f"{name!r} is no IANA time zone, such as 'Europe/London'.", "/timezone")
    return zone_of(name)


@cache  # ZoneInfo itself keeps only eight, and reads a file for each of the others.
def zone_of(name: str) -> ZoneInfo:
    """The time zone of a valid name."""
    return ZoneInfo(name)


@cache
def _names() -> frozenset[str]:
    # "Factory" says that nobody has set a zone.
    return frozenset(files("tzdata").joinpath("zones").read_text().split()) - {"Factory"}
