"""What about a cron expression is allowed and yet unlikely to be meant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from domain.schedules.cron.expression import parse_cron
from domain.schedules.cron.fields import HOUR, MINUTE, MONTH, SECOND, WEEKDAY, Field, numbers
from domain.schedules.cron.words import Fields, fields_of
from domain.schedules.words import counted, quoted

_ANEW = ((SECOND, "minute"), (MINUTE, "hour"), (HOUR, "day"), (MONTH, "year"), (WEEKDAY, "week"))


def cron_warnings(cron: str, seed: str, *, has_jitter: bool) -> Iterator[str]:
    """A sentence for each thing that its owner should know.

    Args:
        seed: What `H` and `~` are spread by.
        has_jitter: Whether the schedule spreads the runs itself.
    """
    fields = fields_of(cron)
    if len(cron.split()) == 6:
        yield (
            f"{quoted(cron)} has six fields, so the first is seconds and the second minutes; "
            "leave the first out for whole minutes."
        )
    if parse_cron(cron, seed=seed).either_day:
        yield (
            f"{quoted(cron)} restricts both day fields, so a day counts that matches either "
            "one; use `#`, as in MON#1 for the first Monday, if both are meant to hold."
        )
    if {fields.second, fields.minute} <= {"0", "00"} and not has_jitter:
        yield (
            f"{quoted(cron)} fires at the top of the hour, as many of the world's jobs do; "
            "choose another minute, write H for it, or add a jitter."
        )
    yield from _of_steps(cron, fields, seed)


def _of_steps(cron: str, fields: Fields, seed: str) -> Iterator[str]:
    texts = (fields.second, fields.minute, fields.hour, fields.month, fields.weekday)
    for (field, period), text in zip(_ANEW, texts, strict=True):
        last = _last_gap(text, field, seed)
        if last is not None and _goes_on(field, fields, seed):
            unit = "day" if field is WEEKDAY else field.label
            yield (
                f"{text} in {quoted(cron)} starts anew each {period}, and its last step is not as "
                f"long as the others: {counted(last, unit)}."
            )
    if fields.date.startswith("*/") and fields.date != "*/1":
        yield (
            f"{fields.date} in {quoted(cron)} starts anew on day 1 of each month, "
            "so its last step in a month is not as long as the others."
        )


def _last_gap(text: str, field: Field, seed: str) -> int | None:
    """The units from the last number of a stepped field to the next first one, if not a step."""
    base, slash, step = text.partition("/")
    if not slash or not step.isdigit() or base not in {"*", "0", "H" if seed else "*"}:
        return None
    named = numbers(text, field, seed)
    last = field.high + 1 - field.low + named[0] - named[-1]
    return None if last == int(step) else last


def _goes_on(field: Field, fields: Fields, seed: str) -> bool:
    """Whether the period that follows one of the field's own may fire too."""
    if field is SECOND:
        following = numbers(fields.minute, MINUTE, seed)
    elif field is MINUTE:
        following = numbers(fields.hour, HOUR, seed)
    else:
        return True
    return any(second - first == 1 for first, second in pairwise(following))
