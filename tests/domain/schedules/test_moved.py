"""An exclusion hits the fire time that it names also where a gap or a fold moves that."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.errors import Invalid
from domain.policies.catchup import CatchupPolicy, Outcome
from domain.policies.catchup_plan import account, plan
from domain.schedules.checks import check_schedule
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.clocks.zones import zone_of
from domain.schedules.fire_times import fire_times, next_fire_time
from domain.schedules.preview import preview
from domain.schedules.schedule import Exclusion, Schedule

NEW_YORK = "America/New_York"
HALF_PAST_TWO = {"cron": "30 2 * * *"}
RULE = {"rrule": "DTSTART:20270101T023000\nRRULE:FREQ=DAILY"}
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
MARCH, NOVEMBER = datetime(2027, 3, 13, 12, tzinfo=UTC), datetime(2027, 11, 6, 12, tzinfo=UTC)
LATER = "15T02:30-0400"


def schedule(job: dict[str, object], *exclude: Exclusion, zone: str = NEW_YORK) -> Schedule:
    accepted = datetime(2026, 12, 1, tzinfo=UTC)
    return Schedule(**{"accepted_at": accepted, "timezone": zone, "exclude": exclude, **job})


def fired(of: Schedule, after: datetime, hours: int = 46) -> str:
    """What it fires within so many hours, in local time; previews, plans and ledgers agree."""
    until, start = after + hours * HOUR, next_fire_time(of, after=after)
    times = fire_times(of, start=start, until=until, limit=1_000) if start else []
    assert [one.at for one in preview(of, after=after, count=1_000, until=until).times] == times
    if start:
        run_all = CatchupPolicy(window=timedelta(days=9), coalesce="all", limit=1_000)
        made = plan(
            of,
            run_all,
            accounted_to=after,
            next_fire_for=start,
            now=until,
            until=until,
            limit=1_000,
        )
        assert made.runs == times
    told = account(of, Outcome.PAUSED, after=after, until=until)
    assert sum(one.count or 0 for one in told if one.outcome is Outcome.PAUSED) == len(times)
    return " ".join(f"{one.astimezone(zone_of(of.timezone)):%dT%H:%M%z}" for one in times)


@pytest.mark.promise("excluded names")
@pytest.mark.parametrize("job", [HALF_PAST_TWO, RULE], ids=["cron", "rrule"])
@pytest.mark.parametrize(
    "exclusion",
    [
        Exclusion(at=datetime(2027, 3, 14, 7, tzinfo=UTC)),  # as `at` local is stored
        Exclusion(cron="30 2 14 3 *"),
        Exclusion(cron="* 2 14 3 *"),
        Exclusion(cron="0 30 2 14 3 *"),
        Exclusion(rrule="DTSTART:20270314T023000\nRRULE:FREQ=DAILY;COUNT=1"),
        Exclusion(rrule=f"DTSTART;TZID={NEW_YORK}:20270314T023000\nRRULE:FREQ=DAILY;COUNT=1"),
        Exclusion(rrule="DTSTART:20270312T023000\nRRULE:FREQ=DAILY;UNTIL=20270314T070000Z"),
        Exclusion(date=date(2027, 3, 14)),
        Exclusion(start=date(2027, 3, 14), end=date(2027, 3, 14)),
    ],
)
def test_what_a_gap_moves_is_excluded_by_its_name(job: dict[str, object], exclusion: Exclusion):
    assert fired(schedule(job), MARCH) == f"14T03:00-0400 {LATER}"
    assert fired(schedule(job, exclusion), MARCH) == LATER


@pytest.mark.parametrize(
    ("job", "exclusion", "times"),
    [
        # What is not named stays: of several names one is enough, and so is the end of the gap.
        (HALF_PAST_TWO, Exclusion(cron="45 2 14 3 *"), f"14T03:00-0400 {LATER}"),
        (HALF_PAST_TWO, Exclusion(date=date(2027, 3, 13)), f"14T03:00-0400 {LATER}"),
        ({"cron": "0,30 2 14 3 *"}, Exclusion(cron="30 2 14 3 *"), "14T03:00-0400"),
        ({"cron": "0,30 2 14 3 *"}, Exclusion(cron="0-30 2 14 3 *"), ""),
        ({"cron": "0 3 * * *"}, Exclusion(cron="30 2 * * *"), "14T03:00-0400 15T03:00-0400"),
        ({"cron": "30 2,3 14 3 *"}, Exclusion(cron="30 2 * * *"), "14T03:30-0400"),
        ({"cron": "0 */3 14 3 *"}, Exclusion(cron="0 2 * * *"), " ".join(
            f"14T{hour:02}:00{'-0500' if hour < 3 else '-0400'}" for hour in range(0, 24, 3))),
        ({"every": HOUR, "end_at": datetime(2027, 3, 14, 7, tzinfo=UTC)},
         Exclusion(cron="* 2,4-23 * * *"), "14T00:00-0500 14T01:00-0500 14T03:00-0400"),
        # A rule with a zone of its own excludes the instant to which that zone moves it.
        ({"cron": "0 7 14 3 *", "timezone": "UTC"}, Exclusion(
            rrule=f"DTSTART;TZID={NEW_YORK}:20270314T023000\nRRULE:FREQ=DAILY"), ""),
        # Where there is nothing to be moved.
        ({**HALF_PAST_TWO, "gap": Gap.SKIP}, Exclusion(cron="30 2 14 3 *"), LATER),
    ],
)  # fmt: skip
def test_only_what_is_named_is_excluded(job: dict[str, object], exclusion: Exclusion, times: str):
    assert fired(schedule(job, exclusion), MARCH) == times


@pytest.mark.promise("excluded names")
@pytest.mark.parametrize(
    ("fold", "first", "second"),
    [
        (Fold.FIRST, "07T01:30-0400 08T01:30-0500", ""),
        (Fold.SECOND, "07T01:30-0500 08T01:30-0500", ""),
        (Fold.BOTH, "07T01:30-0400 07T01:30-0500 08T01:30-0500", ""),
    ],
)
@pytest.mark.parametrize(
    "exclusion",
    [
        Exclusion(cron="30 1 7 11 *"),
        Exclusion(rrule="DTSTART:20271107T013000\nRRULE:FREQ=YEARLY"),
        Exclusion(rrule="DTSTART:20271107T003000\nRRULE:FREQ=HOURLY;COUNT=3"),
    ],
)
def test_both_passes_are_excluded_by_their_name(
    fold: Fold, first: str, second: str, exclusion: Exclusion
):
    job = {"cron": "30 1 * * *", "fold": fold}
    assert fired(schedule(job), NOVEMBER) == first
    assert fired(schedule(job, exclusion), NOVEMBER) == "08T01:30-0500" + second


def test_a_rule_that_excludes_ends_where_it_would_as_a_schedule():
    hourly = {"cron": "30 * * * *"}
    four = Exclusion(rrule="DTSTART:20271107T003000\nRRULE:FREQ=HOURLY;COUNT=4")
    until = Exclusion(rrule="DTSTART:20271107T003000\nRRULE:FREQ=HOURLY;UNTIL=20271107T073000Z")
    start = datetime(2027, 11, 7, 4, tzinfo=UTC)
    for exclusion in (four, until):
        assert fired(schedule(hourly, exclusion), start, 6) == "07T03:30-0500 07T04:30-0500"


def test_a_day_that_never_was_is_excluded_by_its_date():
    job = {"cron": "0 9 * * *", "accepted_at": datetime(2011, 1, 1, tzinfo=UTC)}
    eve = datetime(2011, 12, 29, 20, tzinfo=UTC)
    samoa = "Pacific/Apia"
    assert fired(schedule(job, zone=samoa), eve, 24) == "31T00:00+1400 31T09:00+1400"
    gone = Exclusion(date=date(2011, 12, 30))
    assert fired(schedule(job, gone, zone=samoa), eve, 24) == "31T09:00+1400"


@pytest.mark.parametrize("gap", Gap)
@pytest.mark.parametrize("fold", Fold)
@pytest.mark.parametrize(
    "spec",
    [
        HALF_PAST_TWO,
        RULE,
        {"cron": "30 1 * * *"},
        {"cron": "15 1-3 * * sun"},
        {"cron": "*/30 * * * *"},
        {"rrule": "DTSTART:20270313T003000\nRRULE:FREQ=HOURLY;COUNT=40"},
        {"rrule": "DTSTART:20270313T023000\nRRULE:FREQ=DAILY;UNTIL=20270320T070000Z"},
        {"rrule": "DTSTART;TZID=Europe/Paris:20270301T023000\nRRULE:FREQ=DAILY"},
    ],
)
def test_a_schedule_that_excludes_itself_never_fires(spec: dict[str, object], gap: Gap, fold: Fold):
    itself = schedule({**spec, "gap": gap, "fold": fold}, Exclusion(**spec))
    with pytest.raises(Invalid, match=r"never fires|No fire time is found"):
        check_schedule(itself)
    for season in (MARCH, NOVEMBER, datetime(2027, 3, 27, 12, tzinfo=UTC)):
        times = fire_times(itself, start=season, until=season + 46 * HOUR, limit=10)
        assert times == []
