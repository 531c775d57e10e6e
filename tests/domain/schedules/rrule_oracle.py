"""What a recurrence rule means, worked out slowly: every period is looked at by itself."""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import groupby, product

from hypothesis import strategies as st

from domain.schedules.rrule.parts import Frequency, Parts
from domain.schedules.rrule.text import read_parts

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
UNITS = {
    Frequency.HOURLY: timedelta(hours=1),
    Frequency.MINUTELY: timedelta(minutes=1),
    Frequency.SECONDLY: SECOND,
}
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def week_of(day: date, week_start: int) -> date:
    """The first day of a day's week."""
    return day - timedelta((day.weekday() - week_start) % 7)


def week_numbers(day: date, week_start: int) -> set[int]:
    """The number of a day's week, from the start and from the end of the year that owns it."""
    middle = week_of(day, week_start) + 3 * DAY
    first = week_of(date(middle.year, 1, 4), week_start)
    count = (week_of(date(middle.year + 1, 1, 4), week_start) - first).days // 7
    number = (week_of(day, week_start) - first).days // 7 + 1
    return {number, number - count - 1}


def month_days(day: date) -> set[int]:
    return {day.day, day.day - monthrange(day.year, day.month)[1] - 1}


def year_days(day: date) -> set[int]:
    number = day.timetuple().tm_yday
    return {number, number - 366 - isleap(day.year)}


def weekday_numbers(day: date, *, monthly: bool) -> set[int]:
    """Which of its kind a weekday is, from the start and from the end."""
    numbers = month_days(day) if monthly else year_days(day)
    return {(number + 6) // 7 if number > 0 else -((6 - number) // 7) for number in numbers}


def allowed_day(parts: Parts, day: date) -> bool:
    monthly = parts.frequency is Frequency.MONTHLY or bool(parts.months)
    ordinals = {(n, day.weekday()) for n in weekday_numbers(day, monthly=monthly)}
    return (
        (not parts.months or day.month in parts.months)
        and (not parts.month_days or bool(month_days(day) & set(parts.month_days)))
        and (not parts.year_days or bool(year_days(day) & set(parts.year_days)))
        and (
            not parts.week_numbers
            or bool(week_numbers(day, parts.week_start) & set(parts.week_numbers))
        )
        and (
            not (parts.weekdays or parts.ordinals)
            or day.weekday() in parts.weekdays
            or bool(ordinals & set(parts.ordinals))
        )
        and implied_day(parts, day)
    )


def implied_day(parts: Parts, day: date) -> bool:
    start = parts.dtstart
    if parts.month_days or parts.year_days or parts.week_numbers or parts.weekdays:
        return True
    if parts.ordinals:
        return True
    if parts.frequency is Frequency.WEEKLY:
        return day.weekday() == start.weekday()
    if parts.frequency is Frequency.MONTHLY:
        return day.day == start.day
    if parts.frequency is Frequency.YEARLY:
        return day.day == start.day and (bool(parts.months) or day.month == start.month)
    return True


def period_of(parts: Parts, day: date) -> int:
    """The number of a day's year, month, week or day since that of DTSTART."""
    start = parts.dtstart.date()
    if parts.frequency is Frequency.YEARLY:
        return day.year - start.year
    if parts.frequency is Frequency.MONTHLY:
        return (day.year - start.year) * 12 + day.month - start.month
    if parts.frequency is Frequency.WEEKLY:
        return (week_of(day, parts.week_start) - week_of(start, parts.week_start)).days // 7
    return (day - start).days


def pick(parts: Parts, period: list[datetime]) -> list[datetime]:
    """What BYSETPOS leaves of a period's times."""
    if not parts.positions:
        return period
    size = len(period)
    return [
        one
        for at, one in enumerate(period)
        if at + 1 in parts.positions or at - size in parts.positions
    ]


def by_day(parts: Parts, end: datetime) -> Iterator[datetime]:
    """Times of a rule that is daily or coarser, from the start of DTSTART's period."""
    start = parts.dtstart
    times = product(
        parts.hours or (start.hour,),
        parts.minutes or (start.minute,),
        parts.seconds or (start.second,),
    )
    of_day = [time(*parts_of_time) for parts_of_time in times]
    begin = start.date() - 366 * DAY
    days = [begin + n * DAY for n in range((end.date() - begin).days + 400)]
    for number, period in groupby(days, lambda day: period_of(parts, day)):
        allowed = [day for day in period if allowed_day(parts, day)]
        if number >= 0 and number % parts.interval == 0:
            yield from pick(parts, [datetime.combine(*both) for both in product(allowed, of_day)])


def by_unit(parts: Parts, end: datetime) -> Iterator[datetime]:
    """Times of a rule that is hourly or finer: every period since DTSTART, one after the other."""
    unit = UNITS[parts.frequency]
    start = parts.dtstart
    at = start.replace(
        minute=0 if unit >= UNITS[Frequency.HOURLY] else start.minute,
        second=0 if unit > SECOND else start.second,
    )
    while at <= end:
        minutes = parts.minutes or (start.minute,)
        seconds = parts.seconds or (start.second,)
        if parts.frequency >= Frequency.MINUTELY:
            minutes = (at.minute,) if not parts.minutes or at.minute in parts.minutes else ()
        if parts.frequency is Frequency.SECONDLY:
            seconds = (at.second,) if not parts.seconds or at.second in parts.seconds else ()
        if allowed_day(parts, at.date()) and (not parts.hours or at.hour in parts.hours):
            period = [at.replace(minute=m, second=s) for m, s in product(minutes, seconds)]
            yield from pick(parts, period)
        at += parts.interval * unit


def oracle(text: str, end: datetime) -> list[datetime]:
    """Every time of a rule up to `end`."""
    parts = read_parts(text)
    every = by_unit if parts.frequency in UNITS else by_day
    found = [one for one in every(parts, end) if parts.dtstart <= one <= end]
    if parts.until is not None:
        found = [one for one in found if one <= parts.until]
    return found[: parts.count]


def signed(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.integers(-high, -low)


def listed(values: st.SearchStrategy[object], size: int = 4) -> st.SearchStrategy[str]:
    some = st.lists(values, min_size=1, max_size=size, unique=True)
    return some.map(lambda items: ",".join(map(str, items)))


def numbered_weekdays(limit: int) -> st.SearchStrategy[str]:
    return st.builds("{}{}".format, signed(1, limit), st.sampled_from(WEEKDAYS))


PLAIN = listed(st.sampled_from(WEEKDAYS))
NUMBERED = listed(numbered_weekdays(5) | numbered_weekdays(53))
MIXED = listed(st.sampled_from(WEEKDAYS) | numbered_weekdays(5))
LISTS = {
    "BYMONTH": listed(st.integers(1, 12)),
    "BYMONTHDAY": listed(signed(1, 31), 8),
    "BYYEARDAY": listed(signed(1, 366), 20),
    "BYWEEKNO": listed(signed(1, 53), 8),
    "BYDAY": PLAIN | NUMBERED,
    "BYHOUR": listed(st.integers(0, 23)),
    "BYMINUTE": listed(st.integers(0, 59)),
    "BYSECOND": listed(st.integers(0, 59)),
    "WKST": st.sampled_from(WEEKDAYS),
}
POSITIONS = listed(signed(1, 5) | signed(1, 366))


@st.composite
def rules(
    draw: st.DrawFn,
    first: datetime,
    last: datetime,
    *,
    frequencies: tuple[Frequency, ...] = tuple(Frequency),
    byday: st.SearchStrategy[str] = PLAIN | NUMBERED,
) -> str:
    """Texts of rules that start between two times."""
    start = draw(st.datetimes(first, last)).replace(microsecond=0)
    frequency = draw(st.sampled_from(frequencies))
    intervals = st.integers(1, 4) | st.integers(1, 200 if frequency in UNITS else 4)
    parts = {"FREQ": frequency.name, "INTERVAL": str(draw(intervals))}
    names = draw(st.lists(st.sampled_from(sorted(LISTS)), max_size=4, unique=True))
    for name in sorted(set(names) - forbidden(frequency)):
        plain = frequency > Frequency.MONTHLY or "BYWEEKNO" in names
        parts[name] = draw((PLAIN if plain else byday) if name == "BYDAY" else LISTS[name])
    if parts.keys() - {"FREQ", "INTERVAL", "WKST"} and draw(st.booleans()):
        parts["BYSETPOS"] = draw(POSITIONS)
    until = st.datetimes(start, last).map("{:%Y%m%dT%H%M%S}".format)
    endings = {"COUNT": st.integers(1, 30).map(str), "UNTIL": until}
    ending = draw(st.sampled_from(["", *endings]))
    if ending:
        parts[ending] = draw(endings[ending])
    return f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:" + ";".join(map("=".join, parts.items()))


def forbidden(frequency: Frequency) -> set[str]:
    """Parts that RFC 5545 does not allow with a frequency."""
    table = {
        Frequency.MONTHLY: {"BYWEEKNO", "BYYEARDAY"},
        Frequency.WEEKLY: {"BYWEEKNO", "BYYEARDAY", "BYMONTHDAY"},
        Frequency.DAILY: {"BYWEEKNO", "BYYEARDAY"},
    }
    return table.get(frequency, {"BYWEEKNO"} if frequency in UNITS else set())
