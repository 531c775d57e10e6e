"""Each warning, when it is given and when it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.schedules.checks import check_schedule
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.kinds import Spec
from domain.schedules.schedule import Exclusion, Schedule
from domain.schedules.warnings import schedule_warnings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def warnings(usual_duration: timedelta | None = None, **settings) -> list[str]:
    schedule = Schedule(**{"accepted_at": NOON, "seed": "job", **settings})
    check_schedule(schedule)
    return schedule_warnings(schedule, now=NOON, usual_duration=usual_duration)


@pytest.mark.parametrize(
    "settings",
    [
        {"cron": "7 9 * * *"},
        {"cron": "H H * * *"},
        {"cron": "*/5 * * * *"},
        {"every": timedelta(minutes=15)},
        {"every": timedelta(days=2)},
        {"at": NOON},
        {"after": timedelta(0)},
        {"rrule": "DTSTART:20261124T090000\nRRULE:FREQ=DAILY"},
    ],
)
def test_what_is_likely_to_be_meant_has_no_warning(settings):
    assert warnings(**settings) == []


@pytest.mark.promise("preview")
def test_a_schedule_that_is_over():
    schedule = Schedule(accepted_at=NOON, at=NOON)
    assert schedule_warnings(schedule, now=NOON + MINUTE) == [
        "It never fires again after 2026-11-23 12:01 UTC."
    ]
    assert schedule_warnings(schedule, now=NOON) == []


@pytest.mark.promise("day fields")
def test_two_day_fields_of_which_either_matches():
    (warning,) = warnings(cron="7 9 1-7 * MON")
    assert warning == (
        "'7 9 1-7 * MON' restricts both day fields, so a day counts that matches either one; "
        "use `#`, as in MON#1 for the first Monday, if both are meant to hold."
    )


@pytest.mark.parametrize("cron", ["7 9 1-7 * *", "7 9 * * MON", "7 9 ? * MON", "7 9 */1 * MON"])
def test_one_day_field_alone_has_no_warning(cron: str):
    assert warnings(cron=cron) == []


@pytest.mark.promise("preview")
@pytest.mark.parametrize("cron", ["0 9 * * *", "0 * * * *", "00 9 * * *", "@daily", "@Hourly"])
def test_the_top_of_the_hour(cron: str):
    assert warnings(cron=cron) == [
        (
            f"'{cron}' fires at the top of the hour, as many of the world's jobs do; "
            "choose another minute, write H for it, or add a jitter."
        )
    ]
    assert warnings(cron=cron, jitter=MINUTE) == []


@pytest.mark.parametrize("cron", ["7 9 * * *", "H 9 * * *", "0,30 9 * * *", "*/5 * * * *"])
def test_another_minute_than_the_first_has_no_warning(cron: str):
    assert warnings(cron=cron) == []


@pytest.mark.promise("preview")
def test_runs_that_come_faster_than_they_end():
    assert warnings(every=5 * MINUTE, usual_duration=7 * MINUTE) == [
        (
            "It fires as often as every 5 minutes, but a run usually takes 7 minutes, so runs "
            "will overlap; choose in `overlap` whether they are left out, wait, end the earlier "
            "one or run side by side."
        )
    ]


@pytest.mark.parametrize(
    ("usual_duration", "settings"),
    [
        (None, {"every": 5 * MINUTE}),
        (5 * MINUTE, {"every": 5 * MINUTE}),
        (DAY, {"at": NOON}),
        (DAY, {"specs": (Spec(at=NOON), Spec(at=NOON + 2 * DAY))}),
        # Only the top of each hour is left.
        (30 * MINUTE, {"every": 20 * MINUTE, "exclude": (Exclusion(cron="20-40 * * * *"),)}),
    ],
)
def test_runs_that_end_in_time_have_no_warning(usual_duration: timedelta | None, settings):
    assert warnings(usual_duration, **settings) == []


def test_the_shortest_of_many_gaps_counts():
    assert warnings(HOUR, cron="7,12 9,15 * * *")[0].startswith("It fires as often as every 5 min")


def test_hours_that_clocks_skip_and_repeat():
    assert warnings(cron="30 1 * * *", timezone="Europe/London") == [
        (
            "On 28 March 2027 clocks in Europe/London skip 01:00 to 02:00; "
            "what is due in between runs at 02:00."
        ),
        (
            "On 31 October 2027 clocks in Europe/London show 01:00 to 02:00 twice; "
            "what is due in between runs the first time only (`fold` is `first`)."
        ),
    ]


def test_the_policies_are_told_with_hours_that_clocks_skip_and_repeat():
    settings = {"cron": "30 1 * * *", "timezone": "Europe/London"}
    gap, fold = warnings(**settings, gap=Gap.SKIP, fold=Fold.BOTH)
    assert gap.endswith("what is due in between does not run (`gap` is `skip`).")
    assert fold.endswith("what is due in between runs both times (`fold` is `both`).")
    _, fold = warnings(**settings, fold=Fold.SECOND)
    assert fold.endswith("runs the second time only (`fold` is `second`).")


def test_a_rule_is_warned_of_in_its_own_zone():
    rule = "DTSTART;TZID=America/New_York:20261124T023000\nRRULE:FREQ=DAILY"
    (gap,) = warnings(rrule=rule, timezone="UTC")
    assert gap.startswith("On 14 March 2027 clocks in America/New_York skip 02:00 to 03:00;")


@pytest.mark.parametrize(
    "settings",
    [
        {"cron": "30 1 * * *", "timezone": "UTC"},
        {"cron": "30 1 * * *", "timezone": "Asia/Tokyo"},
        {"cron": "30 3 * * *"},
        {"cron": "30 * * * *"},
        {"cron": "30 1 * * MON"},
        {"cron": "30 1 * * *", "end_at": NOON + 30 * DAY},
        {"cron": "30 1 * * *", "start_at": NOON + 399 * DAY},
        {"cron": "0 30 1 * * * 2029"},
        {"every": 30 * MINUTE},
    ],
)
def test_hours_that_no_change_of_clocks_meets_have_no_warning(settings):
    assert warnings(**{"timezone": "Europe/London", **settings}) == []


def test_six_fields_of_which_the_first_is_seconds():
    assert warnings(cron="30 7 9 * * *") == [
        (
            "'30 7 9 * * *' has six fields, so the first is seconds and the second minutes; "
            "leave the first out for whole minutes."
        )
    ]
    assert warnings(cron="30 7 9 * * * 2027") == []


@pytest.mark.parametrize(
    ("every", "begins"),
    [
        (7 * HOUR, "7 hours does not divide a day evenly, so what fires every 7 hours drifts"),
        (36 * HOUR, "1 day and 12 hours does not divide a day evenly"),
    ],
)
def test_an_interval_that_drifts_through_the_day(every: timedelta, begins: str):
    (warning,) = warnings(every=every)
    assert warning.startswith(begins)


@pytest.mark.parametrize("every", [timedelta(seconds=1), 6 * HOUR, DAY, 7 * DAY])
def test_an_interval_that_keeps_to_its_hours_has_no_warning(every: timedelta):
    assert warnings(every=every) == []


@pytest.mark.parametrize(
    ("cron", "text", "period", "last"),
    [
        ("*/7 * * * *", "*/7", "hour", "4 minutes"),
        ("0/7 * * * *", "0/7", "hour", "4 minutes"),
        ("*/59 * * * *", "*/59", "hour", "1 minute"),
        ("7 */5 * * *", "*/5", "day", "4 hours"),
        ("7 9 1 */5 *", "*/5", "year", "2 months"),
        ("7 9 * * */2", "*/2", "week", "1 day"),
        ("*/25 * 9 * * * 2027", "*/25", "minute", "10 seconds"),
        ("H/7 * * * *", "H/7", "hour", "4 minutes"),
    ],
)
def test_a_step_that_does_not_divide_its_field(cron: str, text: str, period: str, last: str):
    assert warnings(cron=cron) == [
        (
            f"{text} in '{cron}' starts anew each {period}, and its last step is not as long as "
            f"the others: {last}."
        )
    ]


def test_a_step_through_a_month():
    assert warnings(cron="7 9 */2 * *") == [
        (
            "*/2 in '7 9 */2 * *' starts anew on day 1 of each month, "
            "so its last step in a month is not as long as the others."
        )
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"cron": "*/15 * * * *"},
        {"cron": "*/7 9 * * *"},
        {"cron": "*/7 9,17 * * *"},
        {"cron": "5-50/7 * * * *"},
        {"cron": "7 */6 * * *"},
        {"cron": "7 9 */1 * *"},
        {"cron": "H/7 * * * *", "seed": ""},
    ],
)
def test_a_step_without_an_uneven_end_has_no_warning(settings):
    assert warnings(**settings) == []


def test_each_expression_is_warned_of_once():
    cron = Spec(cron="0 9 * * *")
    assert len(warnings(specs=(cron, cron, Spec(cron="0 10 * * *")))) == 2
