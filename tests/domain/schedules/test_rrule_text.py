"""The text of a recurrence rule: what is read, and what is refused in which words."""

# ruff: noqa: DTZ001 - wall times have no zone

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.schedules.rrule.rule import parse_rrule
from tests.domain.examples import examples

ANY_TEXT = st.text(max_size=60) | st.text("DTSARULEFQ=;:,+-0123456789\nZYM", max_size=60)


@pytest.mark.parametrize(
    ("text", "timezone", "elapsed"),
    [
        ("DTSTART:20261124T090000\nRRULE:FREQ=DAILY", None, False),
        ("DTSTART:20261124T090000Z\nRRULE:FREQ=WEEKLY", "UTC", False),
        (
            "DTSTART;TZID=Europe/London:20261124T090000\r\nRRULE:FREQ=HOURLY\r\n",
            "Europe/London",
            True,
        ),
        (
            '\nrrule:freq=minutely;\n\ndtstart;value=date-time;tzid="Asia/Tokyo":20261124t090000',
            "Asia/Tokyo",
            True,
        ),
        ("DTSTART;VALUE=DATE;TZID=Mars/Phobos:20261124\nRRULE:FREQ=SECONDLY", "Mars/Phobos", True),
    ],
)
def test_the_zone_is_that_of_dtstart_and_fine_rules_follow_elapsed_time(
    text: str,
    timezone: str | None,
    elapsed: bool,
):
    parsed = parse_rrule(text)
    assert (parsed.timezone, parsed.elapsed) == (timezone, elapsed)
    assert parsed.dtstart == datetime(2026, 11, 24, 0 if "VALUE=DATE;" in text else 9)
    assert parse_rrule(text) is parsed


@pytest.mark.parametrize(
    ("start", "until", "last"),
    [
        (";TZID=America/New_York:20261124T090000", "20261126T140000Z", 26),  # 14:00Z is 09:00
        (";TZID=America/New_York:20261124T090000", "20261126T135959Z", 25),
        (";TZID=America/New_York:20261124T090000", "20261126T090000", 26),
        (":20261124T090000Z", "20261126T090000Z", 26),
        (":20261124T090000Z", "20261126T085959", 25),
        (":20261124T090000", "20261126T090000Z", 26),  # in a zone that is not known here
        (";VALUE=DATE:20261124", "20261126", 26),
    ],
)
def test_until_is_included_and_read_in_the_zone_of_dtstart(start: str, until: str, last: int):
    parsed = parse_rrule(f"DTSTART{start}\nRRULE:FREQ=DAILY;UNTIL={until}")
    time = parsed.dtstart.time()
    assert parsed.names(datetime.combine(datetime(2026, 11, last), time))
    assert not parsed.names(datetime.combine(datetime(2026, 11, last + 1), time))


START = "DTSTART:20261124T090000\n"
REFUSALS = [
    ("", "needs a line that says when it starts, such as `DTSTART;TZID="),
    ("RRULE:FREQ=DAILY", "needs a line that says when it starts, such as `DTSTART;TZID="),
    (START, "needs a line such as `RRULE:FREQ=DAILY`"),
    (START + "FREQ=DAILY", "'FREQ=DAILY' is no line such as `DTSTART:…` or `RRULE:…`"),
    (
        START + "RRULE:FREQ=DAILY\nEXDATE:20261125T090000",
        "EXDATE is not read here; use the schedule's `exclude`",
    ),
    (START + "RRULE:FREQ=DAILY\nRDATE:20261125T090000", "RDATE is not read here"),
    (START + "EXRULE:FREQ=DAILY", "EXRULE is not read here"),
    (START + "RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY", "RRULE is given twice"),
    (START + START + "RRULE:FREQ=DAILY", "DTSTART is given twice"),
    (START + "RRULE;X=1:FREQ=DAILY", "RRULE takes no parameters"),
    (START + "RRULE:", "RRULE has no part ''; there are FREQ, INTERVAL"),
    (START + "RRULE:INTERVAL=2", "needs a frequency, such as `FREQ=DAILY`"),
    (START + "RRULE:FREQ", "FREQ is empty; write `FREQ=…`"),
    (START + "RRULE:FREQ=HOURLYISH", "FREQ must be one of YEARLY, MONTHLY"),
    (START + "RRULE:FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
    (START + "RRULE:FREQ=DAILY;BYEASTER=1", "RRULE has no part 'BYEASTER'"),
    (
        START + "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20261126T090000",
        "COUNT and UNTIL exclude each other",
    ),
    (START + "RRULE:FREQ=DAILY;COUNT=1001", "COUNT takes 1 to 1000, not '1001'"),
    (START + "RRULE:FREQ=DAILY;INTERVAL=0", "INTERVAL takes 1 to 10000, not '0'"),
    (START + "RRULE:FREQ=DAILY;INTERVAL=-1", "INTERVAL takes 1 to 10000, not '-1'"),
    (START + "RRULE:FREQ=DAILY;INTERVAL=" + "9" * 400, "INTERVAL takes 1 to 10000"),
    (
        START + "RRULE:FREQ=YEARLY;INTERVAL=20;COUNT=9",
        "COUNT=9 is not reached within 100 years of DTSTART",
    ),
    (
        START + "RRULE:FREQ=DAILY;UNTIL=20261126",
        "UNTIL needs a time, as DTSTART has one: 20261126T235959",
    ),
    (START + "RRULE:FREQ=DAILY;UNTIL=tomorrow", "UNTIL takes a date or a time such as 20261124 or"),
    (START + "RRULE:FREQ=DAILY;BYMONTH=13", "BYMONTH takes 1 to 12, not '13'"),
    (START + "RRULE:FREQ=DAILY;BYMONTH=", "BYMONTH is empty"),
    (START + "RRULE:FREQ=DAILY;BYMONTH=1,,2", "BYMONTH takes 1 to 12, not ''"),
    (START + "RRULE:FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY takes 1 to 31 or -1 to -31, not '0'"),
    (START + "RRULE:FREQ=YEARLY;BYYEARDAY=-367", "BYYEARDAY takes 1 to 366 or -1 to -366"),
    (START + "RRULE:FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO takes 1 to 53 or -1 to -53"),
    (START + "RRULE:FREQ=DAILY;BYHOUR=24", "BYHOUR takes 0 to 23, not '24'"),
    (START + "RRULE:FREQ=DAILY;BYMINUTE=+5", "BYMINUTE takes 0 to 59, not '+5'"),
    (START + "RRULE:FREQ=DAILY;BYSECOND=60", "BYSECOND takes 0 to 59, not '60'"),
    (
        START + "RRULE:FREQ=DAILY;BYHOUR=" + ",".join(["1"] * 25),
        "BYHOUR lists 25 values, but there are only 24",
    ),
    (START + "RRULE:FREQ=DAILY;BYHOUR=1;BYSETPOS=0", "BYSETPOS takes 1 to 366 or -1 to -366"),
    (START + "RRULE:FREQ=DAILY;BYSETPOS=1", "BYSETPOS chooses among what another BY… part names"),
    (
        START + "RRULE:FREQ=WEEKLY;BYDAY=XX",
        "BYDAY takes MO, TU, WE, TH, FR, SA, SU, or 1MO or -1FR, not 'XX'",
    ),
    (
        START + "RRULE:FREQ=WEEKLY;BYDAY=1MO",
        "BYDAY=1MO needs FREQ=MONTHLY, or FREQ=YEARLY without BYWEEKNO; write MO",
    ),
    (START + "RRULE:FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "BYDAY=1MO needs FREQ=MONTHLY"),
    (
        START + "RRULE:FREQ=MONTHLY;BYDAY=54MO",
        "The number of a weekday in BYDAY takes 1 to 53 or -1 to -53",
    ),
    (START + "RRULE:FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO has no meaning with FREQ=MONTHLY"),
    (START + "RRULE:FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY has no meaning with FREQ=MONTHLY"),
    (START + "RRULE:FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY has no meaning with FREQ=WEEKLY"),
    (START + "RRULE:FREQ=DAILY;WKST=XX", "WKST takes one of MO, TU, WE, TH, FR, SA, SU, not 'XX'"),
    (
        START + "RRULE:FREQ=DAILY;BYMONTH=" + "1" * 1000,
        "The rule is over-long: it has 1,049 characters",
    ),
    (START + "RRULE:FREQ=M\u0131NUTELY", "written in ASCII characters only"),
    ("DTSTART:2026-11-24\nRRULE:FREQ=DAILY", "DTSTART takes a date or a time such as 20261124 or"),
    ("DTSTART:20260230\nRRULE:FREQ=DAILY", "DTSTART takes a date or a time"),
    ("DTSTART:20261124T090060\nRRULE:FREQ=DAILY", "DTSTART takes a date or a time"),
    ("DTSTART:00000101\nRRULE:FREQ=DAILY", "DTSTART takes a date or a time"),
    ("DTSTART;X=1:20261124\nRRULE:FREQ=DAILY", "DTSTART has no part 'X'; there are TZID, VALUE"),
    ("DTSTART;TZID=:20261124\nRRULE:FREQ=DAILY", "TZID is empty"),
    (
        "DTSTART;VALUE=DATE:20261124T090000\nRRULE:FREQ=DAILY",
        "is not of the type 'DATE' that VALUE says",
    ),
    (
        "DTSTART;TZID=Europe/London:20261124T090000Z\nRRULE:FREQ=DAILY",
        "in UTC (it ends in Z) or has a TZID, not both",
    ),
    (
        "DTSTART;TZID=../etc:20261124T090000\nRRULE:FREQ=DAILY;UNTIL=20261126T090000Z",
        "'../etc' is no IANA time zone",
    ),
    (
        "DTSTART;TZID=Asia/Tokyo:20261124T090000\nRRULE:FREQ=DAILY;UNTIL=99991231T230000Z",
        "lies outside the calendar",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSALS)
def test_a_refusal_says_what_is_wrong(text: str, sentence: str):
    with pytest.raises(Invalid) as refusal:
        parse_rrule(text)
    assert sentence in refusal.value.detail
    assert refusal.value.pointer == ""


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
@examples(deadline=None, max_examples=100)
def test_no_text_raises_anything_else(start: str, parts: str, whole: str):
    for text in (whole, f"DTSTART{start}\nRRULE:{parts}", START + f"RRULE:FREQ=DAILY;{parts}"):
        try:
            parse_rrule(text)
        except Invalid as refusal:
            assert len(refusal.detail) > 20  # noqa: PT017 - either outcome is fine
