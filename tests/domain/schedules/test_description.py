"""Schedules in plain English, word for word."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedules.checks import check_schedule
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.description import describe
from domain.schedules.kinds import Spec
from domain.schedules.schedule import Exclusion, Schedule
from tests.domain.schedules.cron_oracle import DAYS, MONTHS, WEEKDAYS, Cron, crons, either

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HASHED = "At a time spread by a hash of the job"
CHRISTMAS = Exclusion(date=date(2026, 12, 25))

CRONS = {
    "* * * * *": "Every minute",
    "*/5 * * * *": "Every 5 minutes",
    "*/1 */1 */1 */1 */1": "Every minute",
    "0 * * * *": "Every hour",
    "1 * * * *": "At 1 minute past the hour",
    "5 * * * *": "At 5 minutes past the hour",
    "7/15 * * * *": "Every 15 minutes, starting at 7 minutes past the hour",
    "0-10 11 * * *": "Every minute between 11:00 and 11:10",
    "0 9 * * *": "At 09:00",
    "30 21 * * *": "At 21:30",
    "0 9,12,17 * * *": "At 09:00, 12:00 and 17:00",
    "0,30 9,17 * * *": "At 0 and 30 minutes past the hour, at 09:00 and 17:00",
    "30 */2 * * *": "At 30 minutes past the hour, every 2 hours",
    "*/15 9-17 * * 1-5": "Every 15 minutes, between 09:00 and 17:59, Monday through Friday",
    # The library garbles lists of ranges and of steps.
    "0 8-10,14 * * *": "At 08:00, 09:00, 10:00 and 14:00",
    "1,*/20 * * * *": "At 0, 1, 20, and 40 minutes past the hour",
    # Neither of these recurs after so many minutes or hours.
    "*/40 * * * *": "At 0 and 40 minutes past the hour",
    "0 */24 * * *": "At 00:00",
    "0 9 1 * *": "At 09:00, on day 1 of the month",
    "0 9 1,15 * *": "At 09:00, on day 1 and 15 of the month",
    "0 9 1-7 * *": "At 09:00, between day 1 and 7 of the month",
    "0 9 */2 * *": "At 09:00, every 2 days, between day 1 and 31 of the month",
    "0 9 L * *": "At 09:00, on the last day of the month",
    "0 9 L-0 * *": "At 09:00, on the last day of the month",
    "0 9 L-1 * *": "At 09:00, 1 day before the last day of the month",
    "0 9 L-03 * *": "At 09:00, 3 days before the last day of the month",
    "0 9 LW * *": "At 09:00, on the last weekday of the month",
    "0 9 1W * *": "At 09:00, on the first weekday of the month",
    "0 9 15W * *": "At 09:00, on the weekday nearest day 15 of the month",
    "0 9 15,L * *": "At 09:00, on day 15 of the month or on the last day of the month",
    "0 9 * * MON": "At 09:00, only on Monday",
    "0 9 * * 7": "At 09:00, only on Sunday",
    "0 9 * * 5-7": "At 09:00, Friday through Sunday",
    "0 9 * * fri-mon": "At 09:00, Friday through Monday",
    "0 9 * * 1/2": "At 09:00, only on Monday, Wednesday, and Friday",
    "0 9 ? * FRI/2": "At 09:00, only on Friday",
    "0 9 * * MON#2": "At 09:00, on the second Monday of the month",
    "0 9 * * 5L": "At 09:00, on the last Friday of the month",
    "0 9 * * MON#1,FRIL": (
        "At 09:00, on the first Monday of the month or on the last Friday of the month"
    ),
    "0 9 1 * MON": "At 09:00, either on day 1 of the month or on Monday",
    "0 9 L * 5L": (
        "At 09:00, either on the last day of the month or on the last Friday of the month"
    ),
    "0 9 1 * 0-6": "At 09:00",
    "0 9 */2 * MON": (
        "At 09:00, every 2 days, between day 1 and 31 of the month, and only on Monday"
    ),
    "0 9 * JAN-MAR *": "At 09:00, January through March",
    "0 9 1 */3 *": "At 09:00, on day 1 of the month, only in January, April, July, and October",
    "30 0 9 * * *": "At 09:00:30",
    "*/10 * * * * *": "Every 10 seconds",
    # The library would take the last of six fields with a `?` for a year.
    "0 0 12 ? * MON": "At 12:00, only on Monday",
    "0 0 9 1 1 * 2030": "At 09:00, on day 1 of the month, only in January, only in 2030",
    "0 0 9 * * * 2027-2030": "At 09:00, 2027 through 2030",
    "0 0 9 * * * 2027/2": "At 09:00, every 2 years, 2027 through 2199",
    "@hourly": "Every hour",
    "@Daily": "At 00:00",
    "@weekly": "At 00:00, only on Sunday",
    "@monthly": "At 00:00, on day 1 of the month",
    "@yearly": "At 00:00, on day 1 of the month, only in January",
    "H 3 * * *": f"{HASHED}: at 03:34",
    "H/15 * * * *": f"{HASHED}: every 15 minutes, starting at 4 minutes past the hour",
    "H(0-29)/10 * * * *": f"{HASHED}: at 4, 14, and 24 minutes past the hour",
    "0~29 H H * *": f"{HASHED}: at 18:04, on day 28 of the month",
    "0 9 * * H(MON-FRI)": f"{HASHED}: at 09:00, only on Monday",
}


def a_schedule(**settings) -> Schedule:
    return Schedule(**{"accepted_at": NOON, "seed": "job", **settings})


@pytest.mark.parametrize(("cron", "words"), CRONS.items(), ids=CRONS)
def test_a_cron_expression_is_described(cron: str, words: str):
    schedule = a_schedule(cron=cron, timezone="Europe/London")
    check_schedule(schedule)
    assert describe(schedule) == f"{words}, in Europe/London."


@pytest.mark.promise("preview")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"at": datetime(2026, 11, 24, 3, tzinfo=UTC)}, "Once, at 2026-11-24 03:00 UTC."),
        ({"at": datetime(2026, 11, 24, 3, 0, 5, tzinfo=UTC)}, "Once, at 2026-11-24 03:00:05 UTC."),
        ({"after": timedelta(minutes=10)}, "Once, 10 minutes after it is accepted."),
        ({"after": timedelta(0)}, "Once, when it is accepted."),
        ({"every": timedelta(minutes=15)}, "Every 15 minutes."),
        ({"every": timedelta(hours=1)}, "Every hour."),
        ({"every": timedelta(minutes=90)}, "Every 1 hour and 30 minutes."),
        (
            {"every": timedelta(minutes=15), "phase": timedelta(minutes=5)},
            "Every 15 minutes, offset by 5 minutes.",
        ),
        ({"cron": "0 9 * * *"}, "At 09:00, in UTC."),
        ({"cron": "*/5 * * * *"}, "Every 5 minutes."),
        ({"cron": "*/5 * * * *", "timezone": "Asia/Kolkata"}, "Every 5 minutes, in Asia/Kolkata."),
        (
            {"cron": "H H * * *", "seed": ""},
            "At a time spread by a hash of the job, by the cron expression 'H H * * *', in UTC.",
        ),
        ({"cron": "not cron"}, "By the cron expression 'not cron', in UTC."),
        ({}, "Never."),
        (
            {"specs": (Spec(cron="0 9 * * *"), Spec(every=timedelta(hours=1)))},
            "At 09:00, in UTC; and every hour.",
        ),
    ],
)
def test_every_kind_of_spec_is_described(settings, words: str):
    assert describe(a_schedule(**settings)) == words


@pytest.mark.parametrize(
    ("exclude", "words"),
    [
        ([CHRISTMAS], "on 25 December 2026"),
        (
            [Exclusion(start=date(2026, 12, 30), end=date(2027, 1, 2)), CHRISTMAS],
            "on 25 December 2026 and from 30 December 2026 to 2 January 2027",
        ),
        (
            [
                *(CHRISTMAS, CHRISTMAS, Exclusion(date=date(2026, 12, 26))),
                *(Exclusion(start=date(2026, 12, day), end=date(2026, 12, 27)) for day in (24, 26)),
            ],
            "on 4 days",
        ),
        (
            [CHRISTMAS, Exclusion(calendar="holidays")],
            "on 25 December 2026 and in calendar 'holidays'",
        ),
        ([Exclusion(at=NOON)], "at 2026-11-23 12:00 UTC"),
        ([Exclusion(at=NOON), Exclusion(at=NOON + timedelta(hours=1))], "at 2 instants"),
        ([Exclusion(every=timedelta(hours=6))], "every 6 hours"),
        ([Exclusion(cron="* * * * SAT,SUN")], "on Saturday and Sunday"),
        ([Exclusion(cron="* 0-5 * * *")], "between 00:00 and 05:59"),
        (
            [Exclusion(every=timedelta(hours=hours)) for hours in range(2, 8)],
            "every 2 hours, every 3 hours, every 4 hours and by 3 further rules",
        ),
    ],
)
def test_what_is_excluded_is_told(exclude: list[Exclusion], words: str):
    schedule = a_schedule(every=timedelta(minutes=1), exclude=tuple(exclude))
    assert describe(schedule) == f"Every minute, except {words}."


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start_at": NOON}, "Not before 2026-11-23 12:00 UTC."),
        ({"end_at": NOON}, "Not after 2026-11-23 12:00 UTC."),
        ({"max_runs": 1}, "At most once."),
        (
            {"start_at": NOON, "max_runs": 1_000},
            "Not before 2026-11-23 12:00 UTC, at most 1,000 times.",
        ),
        ({"jitter": timedelta(seconds=30)}, "Each run starts up to 30 seconds later."),
        (
            {"max_runs": 10, "jitter": timedelta(seconds=30)},
            "At most 10 times; each run starts up to 30 seconds later.",
        ),
        ({"gap": Gap.SKIP}, "A time of day that clocks skip does not fire."),
        ({"fold": Fold.SECOND}, "A time of day that clocks show twice fires the second time."),
        ({"fold": Fold.BOTH}, "A time of day that clocks show twice fires both times."),
    ],
)
def test_a_second_sentence_tells_the_bounds(settings, words: str):
    assert describe(a_schedule(cron="0 9 * * *", **settings)) == f"At 09:00, in UTC. {words}"


def test_an_interval_has_nothing_to_do_with_clocks_that_change():
    schedule = a_schedule(every=timedelta(hours=1), gap=Gap.SKIP, fold=Fold.BOTH)
    assert describe(schedule) == "Every hour."


@given(
    crons(either(0, 59), either(0, 23), DAYS, MONTHS, WEEKDAYS, second=either(0, 59)),
    st.sampled_from(["UTC", "Europe/London", "Asia/Kolkata"]),
)
def test_whatever_cron_expression_is_valid_is_described_and_not_just_quoted(
    cron: Cron, timezone: str
):
    words = describe(a_schedule(cron=str(cron), timezone=timezone))
    assert words.endswith(".")
    assert "by the cron" not in words.lower()


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_is_too_strange_to_be_quoted(cron: str, rule: str):
    assert describe(a_schedule(specs=(Spec(cron=cron or "?"), Spec(rrule=rule or "?"))))
