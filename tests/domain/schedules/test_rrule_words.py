"""Recurrence rules in plain English, word for word."""

from __future__ import annotations

import pytest

from domain.schedules.rrule.words import rrule_in_words

RULES = {
    "FREQ=DAILY": "every day at 09:00, in Europe/Paris, from 24 November 2026",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=10": (
        "every 2 weeks on Monday and Friday at 09:00, in Europe/Paris, from 24 November 2026, "
        "10 times"
    ),
    "FREQ=WEEKLY;UNTIL=20271224T090000": (
        "every week on Tuesday at 09:00, in Europe/Paris, from 24 November 2026, "
        "until 24 December 2027 at 09:00"
    ),
    "FREQ=WEEKLY;BYMONTH=1": (
        "every week on Tuesday in January at 09:00, in Europe/Paris, from 24 November 2026"
    ),
    "FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30;COUNT=1": (
        "every day at 09:00, 09:30, 17:00 and 17:30, in Europe/Paris, from 24 November 2026, once"
    ),
    "FREQ=DAILY;BYDAY=SA,SU": (
        "every day only on Saturday and Sunday at 09:00, in Europe/Paris, from 24 November 2026"
    ),
    "FREQ=DAILY;BYMONTH=1": (
        "every day only in January at 09:00, in Europe/Paris, from 24 November 2026"
    ),
    "FREQ=MONTHLY": (
        "every month on day 24 of the month at 09:00, in Europe/Paris, from 24 November 2026"
    ),
    "FREQ=MONTHLY;BYMONTHDAY=1,-1,-3": (
        "every month on day 1, day 3 from the end and the last day of the month at 09:00, "
        "in Europe/Paris, from 24 November 2026"
    ),
    "FREQ=MONTHLY;BYDAY=-1FR": (
        "every month on the last Friday of the month at 09:00, in Europe/Paris, "
        "from 24 November 2026"
    ),
    "FREQ=MONTHLY;BYDAY=MO": (
        "every month on every Monday at 09:00, in Europe/Paris, from 24 November 2026"
    ),
    "FREQ=YEARLY": "every year on 24 November at 09:00, in Europe/Paris, from 24 November 2026",
    "FREQ=YEARLY;BYMONTH=1,7": (
        "every year on day 24 of the month in January and July at 09:00, in Europe/Paris, "
        "from 24 November 2026"
    ),
    "FREQ=YEARLY;BYDAY=1MO": (
        "every year on the first Monday of the year at 09:00, in Europe/Paris, "
        "from 24 November 2026"
    ),
    "FREQ=YEARLY;BYMONTH=1;BYDAY=2TU": (
        "every year on the second Tuesday in January at 09:00, in Europe/Paris, "
        "from 24 November 2026"
    ),
    "FREQ=HOURLY;INTERVAL=4": "every 4 hours, in Europe/Paris, from 24 November 2026 at 09:00",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13": (
        "by the recurrence rule "
        "'DTSTART:20261124T090000 RRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13', in Europe/Paris"
    ),
    "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1": (
        "by the recurrence rule "
        "'DTSTART:20261124T090000 RRULE:FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1', in Europe/Paris"
    ),
    "FREQ=SOMETIMES": ("by the recurrence rule 'DTSTART:20261124T090000 RRULE:FREQ=SOMETIMES'"),
}


@pytest.mark.parametrize(("rule", "words"), RULES.items(), ids=RULES)
def test_a_recurrence_rule_is_described_or_quoted(rule: str, words: str):
    assert rrule_in_words(f"DTSTART:20261124T090000\nRRULE:{rule}", "Europe/Paris") == words


def test_a_rule_with_a_zone_of_its_own_is_told_in_that():
    rule = "DTSTART;TZID=Asia/Tokyo:20261124T090000\nRRULE:FREQ=DAILY"
    assert rrule_in_words(rule, "Europe/London") == (
        "every day at 09:00, in Asia/Tokyo, from 24 November 2026"
    )
