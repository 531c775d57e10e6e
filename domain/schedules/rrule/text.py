"""The text of an RFC 5545 recurrence rule, read into its parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from domain.errors import Invalid
from domain.schedules.rrule.content import Until, read_lines, read_pairs, read_start, read_until
from domain.schedules.rrule.parts import Frequency, Parts

MAX_LENGTH = 1_000
MAX_INTERVAL = 10_000
MAX_COUNT = 1_000


class _Range(NamedTuple):
    low: int
    high: int
    signed: bool = False

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" + self.signed * f" or -{self.low} to -{self.high}"


_LISTS = {
    "BYMONTH": _Range(1, 12),
    "BYMONTHDAY": _Range(1, 31, signed=True),
    "BYYEARDAY": _Range(1, 366, signed=True),
    "BYWEEKNO": _Range(1, 53, signed=True),
    "BYHOUR": _Range(0, 23),
    "BYMINUTE": _Range(0, 59),
    "BYSECOND": _Range(0, 59),
    "BYSETPOS": _Range(1, 366, signed=True),
}
_SINGLES = {"INTERVAL": _Range(1, MAX_INTERVAL), "COUNT": _Range(1, MAX_COUNT)}
_NAMES = ("FREQ", "INTERVAL", "COUNT", "UNTIL", *_LISTS, "BYDAY", "WKST")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_COARSE = (Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY)
# "N/A" in the table of RFC 5545, 3.3.10.
_FORBIDDEN = {
    "BYWEEKNO": tuple(set(Frequency) - {Frequency.YEARLY}),
    "BYYEARDAY": _COARSE,
    "BYMONTHDAY": (Frequency.WEEKLY,),
}
_NUMBER = re.compile(r"[+-]?[0-9]{1,5}")
_WEEKDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")


def read_parts(text: str) -> Parts:
    """The parts of a DTSTART line and an RRULE line.

    Raises:
        Invalid: When RFC 5545 does not allow it, or Tocsin does not read it.
    """
    if len(text) > MAX_LENGTH:
        raise Invalid(
            f"The rule is over-long: it has {len(text):,} characters, and {MAX_LENGTH:,} are read."
        )
    if not text.isascii():
        raise Invalid("A recurrence rule is written in ASCII characters only.")
    lines = read_lines(text)
    start = read_start(*lines["DTSTART"])
    given = _given(lines["RRULE"][1])
    frequency = _frequency(given)
    weekdays, ordinals = _weekdays(given, frequency)
    _check_together(given, frequency)
    until = read_until(given["UNTIL"], start) if "UNTIL" in given else Until(None, None)
    return Parts(
        frequency=frequency,
        dtstart=start.wall,
        timezone=start.timezone,
        interval=_single(given, "INTERVAL") or 1,
        count=_single(given, "COUNT"),
        until=until.wall,
        until_instant=until.instant,
        week_start=_week_start(given.get("WKST", "MO")),
        months=_list(given, "BYMONTH"),
        month_days=_list(given, "BYMONTHDAY"),
        year_days=_list(given, "BYYEARDAY"),
        week_numbers=_list(given, "BYWEEKNO"),
        weekdays=weekdays,
        ordinals=ordinals,
        hours=_list(given, "BYHOUR"),
        minutes=_list(given, "BYMINUTE"),
        seconds=_list(given, "BYSECOND"),
        positions=_list(given, "BYSETPOS"),
    )


def _given(text: str) -> dict[str, str]:
    """The value of each part, in upper case."""
    # Many programs end the list with a semicolon.
    pairs = read_pairs(text.upper().removesuffix(";").split(";"), _NAMES, "RRULE")
    if "FREQ" not in pairs:
        raise Invalid("RRULE needs a frequency, such as `FREQ=DAILY`.")
    return pairs


def _frequency(given: dict[str, str]) -> Frequency:
    if given["FREQ"] not in Frequency.__members__:
        raise Invalid(f"FREQ must be one of {', '.join(Frequency.__members__)}.")
    return Frequency[given["FREQ"]]


def _check_together(given: dict[str, str], frequency: Frequency) -> None:
    if "COUNT" in given and "UNTIL" in given:
        raise Invalid("COUNT and UNTIL exclude each other; give one of them.")
    for name, frequencies in _FORBIDDEN.items():
        if name in given and frequency in frequencies:
            raise Invalid(f"{name} has no meaning with FREQ={frequency.name} (RFC 5545, 3.3.10).")
    others = [name for name in given if name.startswith("BY") and name != "BYSETPOS"]
    if "BYSETPOS" in given and not others:
        raise Invalid("BYSETPOS chooses among what another BY… part names; add one, such as BYDAY.")


def _number(name: str, text: str, allowed: _Range) -> int:
    if _NUMBER.fullmatch(text) and (allowed.signed or text.isdigit()):
        value = int(text)
        if allowed.low <= (abs(value) if allowed.signed else value) <= allowed.high:
            return value
    raise Invalid(f"{name} takes {allowed}, not {text!r}.")


def _single(given: dict[str, str], name: str) -> int | None:
    return _number(name, given[name], _SINGLES[name]) if name in given else None


def _list(given: dict[str, str], name: str) -> tuple[int, ...]:
    if name not in given:
        return ()
    allowed, items = _LISTS[name], given[name].split(",")
    _check_length(name, items, (allowed.high - allowed.low + 1) * (1 + allowed.signed))
    return tuple(sorted({_number(name, item, allowed) for item in items}))


def _check_length(name: str, items: Sequence[str], most: int) -> None:
    if len(items) > most:
        raise Invalid(
            f"{name} lists {len(items)} values, but there are only {most} to choose from."
        )


def _weekdays(
    given: dict[str, str], frequency: Frequency
) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    items = given["BYDAY"].split(",") if "BYDAY" in given else []
    numbered = frequency <= Frequency.MONTHLY and "BYWEEKNO" not in given
    _check_length("BYDAY", items, 7 * 107 if numbered else 7)
    plain: set[int] = set()
    ordinals: set[tuple[int, int]] = set()
    for item in items:
        match = _WEEKDAY.fullmatch(item)
        if match is None:
            raise Invalid(f"BYDAY takes {', '.join(_WEEKDAYS)}, or 1MO or -1FR, not {item!r}.")
        weekday = _WEEKDAYS.index(match[2])
        if match[1] is None:
            plain.add(weekday)
        elif numbered:
            number = _number("The number of a weekday in BYDAY", match[1], _LISTS["BYWEEKNO"])
            ordinals.add((number, weekday))
        else:
            raise Invalid(
                f"BYDAY={item} needs FREQ=MONTHLY, or FREQ=YEARLY without BYWEEKNO; "
                f"write {match[2]} for every one."
            )
    return tuple(sorted(plain)), tuple(sorted(ordinals))


def _week_start(text: str) -> int:
    if text not in _WEEKDAYS:
        raise Invalid(f"WKST takes one of {', '.join(_WEEKDAYS)}, not {text!r}.")
    return _WEEKDAYS.index(text)
