"""The lines of a recurrence rule: DTSTART, and the parts of RRULE as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from domain.errors import Invalid
from domain.schedules.clocks.zones import is_zone, zone_of

_EXAMPLE = "DTSTART;TZID=Europe/London:20261124T090000"
_STAMP = re.compile(r"[0-9]{8}(T[0-9]{6}(Z)?)?")


class Start(NamedTuple):
    """DTSTART: a wall time, whether it was written as a date, and the zone's name."""

    wall: datetime
    dated: bool
    timezone: str | None


class Until(NamedTuple):
    """UNTIL: a wall time, and the instant if it names one."""

    wall: datetime | None
    instant: datetime | None


class _Stamp(NamedTuple):
    wall: datetime
    dated: bool
    utc: bool


def read_lines(text: str) -> dict[str, tuple[str, str]]:
    """Each line's parameters and value, by its name."""
    lines: dict[str, tuple[str, str]] = {}
    for line in filter(None, map(str.strip, re.split(r"\r?\n", text))):
        head, colon, value = line.partition(":")
        name, _, parameters = head.partition(";")
        name = name.upper()
        if name in {"EXDATE", "EXRULE", "RDATE"}:
            raise Invalid(f"{name} is not read here; use the schedule's `exclude` or more specs.")
        if name not in {"DTSTART", "RRULE"} or not colon:
            raise Invalid(f"{line!r} is no line such as `DTSTART:…` or `RRULE:…`.")
        if name in lines:
            raise Invalid(f"{name} is given twice; a rule has one line of each.")
        lines[name] = parameters, value.strip()
    if "DTSTART" not in lines:
        raise Invalid(f"The rule needs a line that says when it starts, such as `{_EXAMPLE}`.")
    if "RRULE" not in lines:
        raise Invalid("The rule needs a line such as `RRULE:FREQ=DAILY`.")
    if lines["RRULE"][0]:
        raise Invalid("RRULE takes no parameters; write `RRULE:FREQ=…`.")
    return lines


def read_start(text: str, value: str) -> Start:
    """DTSTART, from its parameters and its value."""
    parameters = read_pairs(filter(None, text.split(";")), ("TZID", "VALUE"), "DTSTART")
    stamp = _stamp("DTSTART", value)
    form = parameters.get("VALUE", "").upper()
    if form and form != ("DATE" if stamp.dated else "DATE-TIME"):
        raise Invalid(f"DTSTART's value {value!r} is not of the type {form!r} that VALUE says.")
    timezone = parameters.get("TZID")
    if timezone is None:
        return Start(stamp.wall, stamp.dated, "UTC" if stamp.utc else None)
    if stamp.utc:
        raise Invalid("DTSTART is either in UTC (it ends in Z) or has a TZID, not both.")
    return Start(stamp.wall, stamp.dated, timezone.strip('"'))


def read_until(text: str, start: Start) -> Until:
    """UNTIL as a wall time in the zone of DTSTART, and as an instant if it ends in Z."""
    stamp = _stamp("UNTIL", text)
    if stamp.dated and not start.dated:
        raise Invalid(f"UNTIL needs a time, as DTSTART has one: {text}T235959 includes that day.")
    if not stamp.utc or start.timezone == "UTC":
        return Until(stamp.wall, None)
    instant = stamp.wall.replace(tzinfo=UTC)
    if start.timezone is None:  # the rule runs in the schedule's zone, which is not known here
        return Until(stamp.wall, instant)
    if not is_zone(start.timezone):
        raise Invalid(f"{start.timezone!r} is no IANA time zone, such as 'Europe/London'.")
    try:
        return Until(instant.astimezone(zone_of(start.timezone)).replace(tzinfo=None), instant)
    except OverflowError:
        raise Invalid(f"UNTIL={text} lies outside the calendar; leave it out.") from None


def read_pairs(items: Iterable[str], names: Sequence[str], owner: str) -> dict[str, str]:
    """`NAME=value` items by their names, in upper case; none twice, none empty."""
    pairs: dict[str, str] = {}
    for item in items:
        name, _, value = item.partition("=")
        name = name.strip().upper()
        if name not in names:
            raise Invalid(f"{owner} has no part {name!r}; there are {', '.join(names)}.")
        if name in pairs:
            raise Invalid(f"{name} is given twice; give it once.")
        pairs[name] = value.strip()
        if not pairs[name].strip('"'):
            raise Invalid(f"{name} is empty; write `{name}=…` or leave it out.")
    return pairs


def _stamp(name: str, text: str) -> _Stamp:
    match = _STAMP.fullmatch(text.upper())
    digits = text[:8] + (text[9:15] or "000000")
    try:
        if match is None:
            raise ValueError(text)
        wall = datetime.strptime(digits, "%Y%m%d%H%M%S")  # noqa: DTZ007 - a wall time has no zone
    except ValueError:
        raise Invalid(
            f"{name} takes a date or a time such as 20261124 or 20261124T090000, not {text!r}."
        ) from None
    return _Stamp(wall, dated=match[1] is None, utc=match[2] is not None)
