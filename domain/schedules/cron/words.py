"""What a cron expression says, in words."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from cron_descriptor import DescriptionTypeEnum, ExpressionDescriptor, Options

from domain.schedules.cron.expression import MACROS, parse_cron
from domain.schedules.cron.fields import (
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    WEEKDAY,
    YEAR,
    Field,
    is_unrestricted,
    numbers,
)
from domain.schedules.words import listed, quoted

_OPTIONS = Options(
    verbose=False,
    day_of_week_start_index_zero=True,
    use_24hour_time_format=True,
    locale_code="en_US",
)
_PLURAL_OF_ONE = re.compile(r"(?<!and )\b1 (second|minute|day)s\b")
_SPREAD = "at a time spread by a hash of the job"
_FEW = 4


class Fields(NamedTuple):
    """The text of each field of an expression, in upper case."""

    second: str
    minute: str
    hour: str
    date: str
    month: str
    weekday: str
    year: str


def fields_of(expression: str) -> Fields:
    """The fields of a valid expression or macro; seconds and years that it leaves out too."""
    text = expression.strip().lower()
    fields = MACROS.get(text, text).upper().split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) == 6:
        fields.append("*")
    return Fields(*fields)


def is_spread(text: str) -> bool:
    """Whether `H` or `~` chooses numbers of a field."""
    return any(part.startswith("H") or "~" in part for part in text.split(","))


@lru_cache(maxsize=4_096)
def cron_in_words(expression: str, seed: str) -> str:
    """Such as "at 09:00, Monday through Friday"; it quotes what it cannot describe.

    Args:
        seed: What `H` and `~` are spread by; if empty, their numbers are not told.
    """
    try:
        parse_cron(expression, seed=seed)
        fields = fields_of(expression)
        spread = any(map(is_spread, fields))
        if spread and not seed:
            return f"{_SPREAD}, by the cron expression {quoted(expression)}"
        words = _described(fields, seed)
        return f"{_SPREAD}: {words}" if spread else words
    except Exception:  # noqa: BLE001 - whatever the library trips over, the expression tells more
        return f"by the cron expression {quoted(expression)}"


def _described(fields: Fields, seed: str) -> str:
    whole = _descriptor(
        Fields(
            second=_plain(fields.second, SECOND, seed),
            minute=_plain(fields.minute, MINUTE, seed),
            hour=_plain(fields.hour, HOUR, seed),
            date="*",
            month=_months(fields.month, seed),
            weekday="*",
            year=_years(fields.year, seed),
        )
    )
    text = (
        whole.get_description(DescriptionTypeEnum.TIMEOFDAY)
        + _days(fields, seed)
        + whole.get_description(DescriptionTypeEnum.MONTH)
        + whole.get_description(DescriptionTypeEnum.YEAR)
    )
    text = whole.transform_verbosity(text)
    return _PLURAL_OF_ONE.sub(r"1 \1", text[:1].lower() + text[1:])


def _descriptor(fields: Fields) -> ExpressionDescriptor:
    # With all seven fields the library need not guess whether the last one is a year.
    return ExpressionDescriptor(" ".join(fields), _OPTIONS)


def _plain(text: str, field: Field, seed: str) -> str:
    """A field in terms that the library puts rightly: it garbles lists of ranges and of steps."""
    named = numbers(text, field, seed)
    if len(named) == field.high - field.low + 1:
        return "*"
    base, slash, step = text.partition("/")
    if base == "H" and step.isdigit() and field is not DAY:
        return f"{named[0]}/{step}"
    garbled = "," in text and ("/" in text or "-" in text)
    uneven = base == "*" and slash and len(named) <= _FEW and _is_uneven(int(step), field)
    if garbled or uneven or is_spread(text):
        return ",".join(map(str, named))
    return text


def _is_uneven(step: int, field: Field) -> bool:
    size = field.high - field.low + 1
    return step == size or size % step > 0


def _months(text: str, seed: str) -> str:
    named = numbers(text, MONTH, seed)
    if "/" in text or is_spread(text):
        text = ",".join(map(str, named))
    return "*" if len(named) == 12 else text


def _years(text: str, seed: str) -> str:
    base, slash, step = text.partition("/")
    if slash and base.isdigit() and step.isdigit():
        return f"{base}-{YEAR.high}/{step}"
    return _plain(text, YEAR, seed)


def _days(fields: Fields, seed: str) -> str:
    """Both day fields, from the comma on; nothing if every day counts."""
    dates, weekdays = _dates(fields.date, seed), _weekdays(fields.weekday, seed)
    either = not is_unrestricted(fields.date) and not is_unrestricted(fields.weekday)
    if dates and weekdays:
        on = weekdays.removeprefix("only ")
        return f", either {dates} or {on}" if either else f", {dates}, and {weekdays}"
    if either or not (dates or weekdays):
        return ""
    return f", {dates or weekdays}"


def _dates(text: str, seed: str) -> str:
    parts = ["*"] if text == "?" else text.split(",")
    special = [part for part in parts if "L" in part or "W" in part]
    plain = ",".join(part for part in parts if part not in special)
    if plain:
        plain = _plain(plain, DAY, seed)
        if plain == "*":
            return ""
        # "Every 2 days" alone would not tell that each month begins anew.
        special.insert(0, plain.replace("*/", "1-31/"))
    return listed([_date(part) for part in special], "or")


def _date(part: str) -> str:
    part = "L" if part in {"L-0", "L-00"} else part.replace("L-0", "L-")
    whole = _descriptor(Fields("0", "0", "0", part, "*", "*", "*"))
    text: str = whole.get_description(DescriptionTypeEnum.DAYOFMONTH)
    return text.removeprefix(", ")


def _weekdays(text: str, seed: str) -> str:
    parts = ["*"] if text == "?" else text.split(",")
    special = [part for part in parts if part.endswith("L") or "#" in part]
    plain = ",".join(part for part in parts if part not in special)
    if plain:
        named = numbers(plain, WEEKDAY, seed)
        if len(named) == 7:
            return ""
        # The library takes a step for one of weeks.
        if "/" in plain or is_spread(plain):
            plain = ",".join(map(str, named))
        special.insert(0, plain)
    return listed([_weekday(part) for part in special], "or")


def _weekday(part: str) -> str:
    whole = _descriptor(Fields("0", "0", "0", "*", "*", part, "*"))
    text: str = whole.get_description(DescriptionTypeEnum.DAYOFWEEK)
    return text.removeprefix(", ")
