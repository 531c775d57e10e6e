"""The search for a fire time: what it finds among exclusions, and how little it costs.

What it costs is told in calls of functions: they are the same on a slow machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import _lru_cache_wrapper
from itertools import takewhile
from types import FrameType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.schedules.calendar import check_exclusions
from domain.schedules.checks import MAX_EXCLUSIONS_IN_ALL, check_schedule
from domain.schedules.clocks import wall_clock
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.cron import days as cron_days
from domain.schedules.cron import expression as cron
from domain.schedules.cron.expression import parse_cron, run_from
from domain.schedules.fire_times import fire_times, next_fire_time, nominal_times
from domain.schedules.kinds import Spec, by_clock
from domain.schedules.named import Named
from domain.schedules.preview import preview
from domain.schedules.rrule import clock as rrule_clock
from domain.schedules.rrule import days as rrule_days
from domain.schedules.rrule import rule as rrule
from domain.schedules.rrule.rule import parse_rrule
from domain.schedules.schedule import MAX_EXCLUSIONS, MAX_SPECS, Exclusion, Schedule
from tests.domain.examples import examples
from tests.domain.instants import instants

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
MOST = 100_000
CALLS = 80_000
"""Some 25 ms on a slow machine."""
LONDON = "Europe/London"
MODULES = (cron, cron_days, by_clock, rrule, rrule_clock, rrule_days, wall_clock)


@pytest.fixture(autouse=True)
def nothing_is_known_yet() -> None:
    """Forget what earlier searches cached."""
    for module in MODULES:
        for value in vars(module).values():
            if isinstance(value, _lru_cache_wrapper):
                value.cache_clear()


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def rule(parts: str, start: str = ":20260101T093000") -> str:
    return f"DTSTART{start}\nRRULE:{parts}"


def in_turn(text: str, how_many: int) -> Iterator[str]:
    return (text.format(number) for number in range(how_many))


EVERY_SECOND = (Spec(every=SECOND),)
EVEN_AND_ODD = (Exclusion(cron="*/2 * * * * *"), Exclusion(cron="1/2 * * * * *"))
SECONDS_BY_NAME = tuple(Spec(cron=text) for text in in_turn("{}-59 * 0-23 * * *", MAX_SPECS))
IN_A_GAP = tuple(
    Spec(rrule=rule("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", f":20260101T{text}"))
    for text in in_turn("01{:02}00", MAX_SPECS)
)
SUNDAYS_OF_A_GAP = "BYMONTH=3;BYDAY=SU;BYMONTHDAY=25,26,27,28,29,30,31;BYHOUR=1"
NUMBERED = ",".join(f"{n}{day}" for n in range(1, 35) for day in ("MO", "TU", "WE", "TH", "FR"))
ALL_WEEKS = ",".join(str(sign * n) for n in range(1, 54) for sign in (1, -1))
POSITIONS = "FREQ=YEARLY;BYMONTHDAY=1,2,3;BYHOUR=1,2,3;BYMINUTE={};BYSETPOS=" + ",".join(
    map(str, range(1, 37))
)


def all_excluded(**fields: object) -> Schedule:
    return Schedule(accepted_at=NOON, **{"exclude": EVEN_AND_ODD, **fields})  # type: ignore[arg-type]


NEVER = {
    "an interval": all_excluded(every=SECOND),
    "an interval by days": all_excluded(every=MINUTE, exclude=(Exclusion(cron="* * * * *"),)),
    "an interval by itself": all_excluded(every=SECOND, exclude=(Exclusion(every=SECOND),)),
    "elapsed seconds": all_excluded(cron="* * * * * *", timezone=LONDON),
    "fixed seconds": all_excluded(cron="* * 0-23 * * *", timezone=LONDON, fold=Fold.BOTH),
    "a rule by a rule": all_excluded(
        rrule=rule("FREQ=SECONDLY"),
        timezone=LONDON,
        exclude=(Exclusion(rrule=rule("FREQ=SECONDLY")),),
    ),
    "many by many": all_excluded(
        specs=SECONDS_BY_NAME,
        timezone=LONDON,
        exclude=(
            *(Exclusion(cron=text) for text in in_turn("{0} {0} {0} 1 * *", 20)),
            *(Exclusion(rrule=rule(text)) for text in in_turn("FREQ=HOURLY;BYMINUTE={}", 20)),
            *(Exclusion(every=SECOND * 7, phase=TICK * number) for number in range(58)),
            *EVEN_AND_ODD,
        ),
    ),
    "many by positions": all_excluded(
        every=366 * DAY,
        exclude=(
            *(Exclusion(rrule=rule(text)) for text in in_turn(POSITIONS, 60)),
            Exclusion(every=SECOND),
        ),
    ),
    "many leap days": all_excluded(
        specs=tuple(Spec(cron=text) for text in in_turn("{} 1 29 2 ?", MAX_SPECS)),
        timezone=LONDON,
        fold=Fold.BOTH,
        exclude=(Exclusion(cron="* * 29 2 *"),),
    ),
    "a thousand days": all_excluded(
        every=SECOND,
        exclude=(
            *(Exclusion(date=date(2027, 1, 1) + 2 * DAY * n) for n in range(500)),
            *(Exclusion(start=date(2030, 1, n), end=date(2030, 1, n)) for n in range(1, 31)),
            *EVEN_AND_ODD,
        ),
    ),
    "rules beside an interval": all_excluded(
        specs=(
            *EVERY_SECOND,
            *(
                Spec(rrule=rule(text))
                for text in in_turn("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR={}", 19)
            ),
        ),
    ),
    "many gaps": Schedule(
        accepted_at=NOON, specs=IN_A_GAP, timezone=LONDON, gap=Gap.SKIP, fold=Fold.BOTH
    ),
    "a gap by the hour": Schedule(
        accepted_at=NOON, rrule=rule(f"FREQ=HOURLY;{SUNDAYS_OF_A_GAP}"), timezone=LONDON
    ),
    "many crons without a day": Schedule(
        accepted_at=NOON,
        specs=tuple(Spec(cron=text) for text in in_turn("{} 1 */31 * MON#5", MAX_SPECS)),
        timezone=LONDON,
        fold=Fold.BOTH,
    ),
    "many long intervals": Schedule(
        accepted_at=NOON,
        specs=tuple(
            Spec(rrule=rule(f"FREQ=HOURLY;INTERVAL={9_960 + 2 * n};BYHOUR=4", ":20260105T033000"))
            for n in range(8)
        ),
    ),
    **{
        parts: Schedule(accepted_at=NOON, rrule=rule(parts))
        for parts in (
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=YEARLY;INTERVAL=2;BYYEARDAY=366;BYMONTH=11",
            f"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYDAY={NUMBERED}",
            f"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYWEEKNO={ALL_WEEKS}",
            "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
            "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2;COUNT=1000",
            "FREQ=MONTHLY;BYDAY=MO;BYMONTHDAY=1,2,3;BYSETPOS=2",
            "FREQ=HOURLY;INTERVAL=168;BYDAY=TU,WE,FR",
            "FREQ=SECONDLY;INTERVAL=9973;BYHOUR=9;BYMINUTE=1;BYSECOND=1;BYMONTH=2;BYMONTHDAY=29;COUNT=1",
        )
    },
    "seconds counted long ago": Schedule(
        accepted_at=NOON,
        rrule=rule("FREQ=SECONDLY;INTERVAL=9973;COUNT=1000;BYSECOND=1", ":19700101T000001"),
    ),
    "weeks counted long ago": Schedule(
        accepted_at=NOON,
        rrule=rule("FREQ=WEEKLY;BYDAY=MO,TU,FR;BYSETPOS=2;COUNT=1000", ":20000101T000000"),
    ),
}


@pytest.mark.parametrize("schedule", NEVER.values(), ids=NEVER)
def test_a_schedule_that_never_fires_is_refused_at_a_bounded_cost(schedule: Schedule):
    def refusal() -> None:
        with pytest.raises(Invalid):
            check_schedule(schedule)

    assert calls_of(refusal) < CALLS


SENSIBLE = {
    "a month by date": (
        {"cron": "* * * * *", "timezone": LONDON},
        (Exclusion(start=date(2026, 11, 24), end=date(2026, 12, 24)),),
        datetime(2026, 12, 25, tzinfo=UTC),
    ),
    "years by date": (
        {"every": SECOND},
        (Exclusion(start=date(2026, 1, 1), end=date(2035, 12, 31)),),
        datetime(2036, 1, 1, tzinfo=UTC),
    ),
    "ranges that overlap": (
        {"every": SECOND},
        tuple(
            Exclusion(start=date(2026, 11, 20) + 5 * DAY * n, end=date(2026, 11, 28) + 5 * DAY * n)
            for n in range(60)
        ),
        datetime(2027, 9, 20, tzinfo=UTC),
    ),
    "hundreds of single days": (
        {"every": SECOND},
        tuple(Exclusion(date=date(2026, 11, 24) + DAY * n) for n in range(900)),
        datetime(2029, 5, 12, tzinfo=UTC),
    ),
    "months by cron": (
        {"every": SECOND},
        (Exclusion(cron="* * * 11,12,1-9 *"),),
        datetime(2027, 10, 1, tzinfo=UTC),
    ),
    "all but an hour a week": (
        {"cron": "* * * * * *", "timezone": LONDON},
        (Exclusion(cron="* * * * MON-SAT"), Exclusion(cron="* 0-2,4-23 * * *")),
        datetime(2026, 11, 29, 3, tzinfo=UTC),
    ),
    "nights, evenings and weekends": (
        {"cron": "* * * * *", "timezone": LONDON},
        (
            Exclusion(cron="* 0-7,12-23 * * *"),
            Exclusion(cron="* * * * SAT,SUN"),
            Exclusion(cron="* * 25-27 * *"),
        ),
        datetime(2026, 11, 30, 8, tzinfo=UTC),
    ),
    "most minutes": (
        {"every": SECOND},
        (Exclusion(cron="0-28,30-59 * * * *"), Exclusion(cron="0-57 * * * * *")),
        NOON + 29 * MINUTE + 58 * SECOND,
    ),
    "most seconds": (
        {"every": SECOND},
        (Exclusion(cron="0-58 * * * * *"),),
        NOON + 59 * SECOND,
    ),
    "a night by a rule of minutes": (
        {"cron": "* * * * *", "timezone": LONDON},
        (
            Exclusion(
                rrule=rule("FREQ=MINUTELY;BYHOUR=12,13,14,15,16,17,18,19,20", ":20260101T000000")
            ),
        ),
        datetime(2026, 11, 24, 21, tzinfo=UTC),
    ),
}


@pytest.mark.parametrize(("spec", "exclude", "first"), SENSIBLE.values(), ids=SENSIBLE)
def test_long_stretches_that_are_excluded_are_leapt_over(
    spec: dict[str, object], exclude: tuple[Exclusion, ...], first: datetime
):
    schedule = Schedule(accepted_at=NOON, exclude=exclude, **spec)  # type: ignore[arg-type]
    assert next_fire_time(schedule, after=NOON - TICK) == first
    assert calls_of(lambda: next_fire_time(schedule, after=NOON - TICK)) < CALLS


def test_a_preview_of_a_thousand_weekdays_is_whole():
    daily = Schedule(
        accepted_at=NOON, cron="0 9 * * *", exclude=(Exclusion(cron="* * * * SAT,SUN"),)
    )
    assert len(preview(daily, after=NOON, count=1_000).times) == 1_000


def test_a_union_asks_each_spec_only_for_what_it_names():
    slow = tuple(Spec(cron=text) for text in in_turn("{} 1 * * *", MAX_SPECS - 1))
    schedule = Schedule(accepted_at=NOON, specs=(*EVERY_SECOND, *slow))
    named_one_by_one = Named(schedule)
    after = NOON
    for _ in range(1_000):
        found = named_one_by_one.later_than(after)
        assert found == after + SECOND
        after = found
    assert schedule.work.steps < 1_000 + 10 * MAX_SPECS


def is_named(exclusion: Exclusion, instant: datetime, zone: ZoneInfo) -> bool:
    local = instant.astimezone(zone).replace(tzinfo=None)
    if exclusion.cron is not None:
        tells_seconds = len(exclusion.cron.split()) > 5
        shown = local.replace(second=local.second if tells_seconds else 0, microsecond=0)
        return parse_cron(exclusion.cron).names(shown)
    if exclusion.rrule is not None:
        return parse_rrule(exclusion.rrule).names(local)
    if exclusion.every is not None:
        return not (instant - datetime.fromtimestamp(0, UTC)) % exclusion.every
    if exclusion.date is not None:
        return local.date() == exclusion.date
    assert exclusion.start is not None
    assert exclusion.end is not None
    return exclusion.start <= local.date() <= exclusion.end


def field(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high)
    ranges = st.tuples(numbers, numbers).map(lambda ends: "{}-{}".format(*sorted(ends)))
    parts = st.lists(ranges | numbers.map(str), min_size=1, max_size=3).map(",".join)
    return st.just("*") | parts


CHANGES_OF_CLOCKS = st.sampled_from(
    [
        ("UTC", datetime(2026, 12, 31, tzinfo=UTC)),
        (LONDON, datetime(2026, 3, 29, tzinfo=UTC)),
        (LONDON, datetime(2026, 10, 25, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
        ("America/St_Johns", datetime(2010, 11, 7, tzinfo=UTC)),
        ("America/Asuncion", datetime(2024, 3, 24, tzinfo=UTC)),
        ("America/Asuncion", datetime(2024, 10, 6, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),
    ]
)
FIVE_FIELDS = st.tuples(field(0, 59), field(0, 23), field(1, 31), st.just("*"), field(0, 6))


def exclusions(around: date) -> st.SearchStrategy[Exclusion]:
    days = st.integers(-2, 2).map(lambda number: around + number * DAY)
    crons = FIVE_FIELDS.map(" ".join)
    return st.one_of(
        st.builds(Exclusion, date=days),
        st.tuples(days, days).map(sorted).map(lambda ends: Exclusion(start=ends[0], end=ends[1])),
        st.builds(Exclusion, cron=crons),
        st.builds(Exclusion, cron=st.tuples(field(0, 59), crons).map(" ".join)),
        st.builds(Exclusion, every=st.sampled_from([60, 90, 3_600]).map(lambda n: n * SECOND)),
        st.just(Exclusion(rrule=rule("FREQ=HOURLY;BYHOUR=0,1,2,23", ":20100101T000000"))),
    )


@examples(deadline=None, max_examples=100)
@given(st.data(), CHANGES_OF_CLOCKS, st.sampled_from([97, 300, 1_800]), st.integers(-36, 36))
def test_the_search_finds_what_stepping_through_each_instant_finds(
    data: st.DataObject, change: tuple[str, datetime], seconds: int, hours: int
):
    zone, day = change
    chosen = data.draw(st.lists(exclusions(day.date()), min_size=1, max_size=4))
    start, end = day + hours * 60 * MINUTE, day + 2 * DAY
    schedule = Schedule(
        accepted_at=start,
        specs=(Spec(every=seconds * SECOND), Spec(cron="*/20 * * * *")),
        timezone=zone,
        exclude=tuple(chosen),
    )
    expected = [
        instant
        for instant in nominal_times(schedule, after=start, before=end, limit=MOST)
        if not any(is_named(one, instant, ZoneInfo(zone)) for one in chosen)
    ]
    assert found_up_to(schedule, start, end) == expected


def found_up_to(schedule: Schedule, after: datetime, end: datetime) -> list[datetime]:
    first = next_fire_time(schedule, after=after)
    if first is None or first >= end:
        return []
    all_of = fire_times(schedule, start=first, until=end, limit=MOST)
    return list(takewhile(lambda instant: instant < end, all_of))


@given(st.sets(st.integers(0, 59), min_size=1), st.data())
def test_a_run_of_numbers_ends_before_the_first_that_is_missing(numbers: set[int], data):
    value = data.draw(st.sampled_from(sorted(numbers)))
    last = run_from(sorted(numbers), value)
    assert set(range(value, last + 1)) <= numbers
    assert last + 1 not in numbers


@examples(deadline=None)
@given(instants(2020, 2040), st.integers(2, 9))
def test_what_clocks_always_skip_hides_nothing_else(after: datetime, minute: int):
    skipped = Spec(cron="30 1 25-31 3 ?")  # on some days, a Sunday among them
    sundays = Spec(cron=f"0 {minute} 1 ? 3 SUNL")
    schedule = Schedule(accepted_at=after, specs=(skipped, sundays), timezone=LONDON, gap=Gap.SKIP)
    alone = Schedule(accepted_at=after, specs=(skipped,), timezone=LONDON, gap=Gap.SKIP)
    assert next_fire_time(schedule, after=after) == next_fire_time(alone, after=after)


LONG_RULE = "FREQ=YEARLY;BYYEARDAY=" + ",".join(map(str, range(100, 300)))
TOO_MUCH = {
    "characters": [
        Exclusion(rrule=rule(LONG_RULE, f":20260101T0930{text}")) for text in in_turn("{:02}", 25)
    ],
    "expressions": [Exclusion(cron=f"{n % 60} {n // 60} * * *") for n in range(MAX_EXCLUSIONS * 4)],
    "counting": [
        Exclusion(rrule=rule(text)) for text in in_turn("FREQ=HOURLY;INTERVAL=7;COUNT=99{}", 10)
    ],
    "days that come again": [
        Exclusion(rrule=rule(text)) for text in in_turn("FREQ=HOURLY;INTERVAL=99{:02};BYHOUR=3", 99)
    ],
}


@pytest.mark.parametrize("entries", TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_to_read_is_refused_before_it_is_read(entries: list[Exclusion]):
    schedule = Schedule(accepted_at=NOON, every=60 * MINUTE, exclude=tuple(entries))

    def refusal() -> None:
        with pytest.raises(Invalid, match="too many") as refused:
            check_schedule(schedule)
        assert refused.value.pointer is not None
        assert refused.value.pointer.startswith("/exclude/")

    assert calls_of(refusal) < CALLS


def test_a_calendar_holds_no_more_than_a_schedule_may_read():
    with pytest.raises(Invalid, match="too many"):
        check_exclusions(tuple(TOO_MUCH["characters"]))


def test_the_same_rule_in_many_places_is_read_once():
    repeated = Exclusion(rrule=rule(LONG_RULE))
    check_schedule(Schedule(accepted_at=NOON, every=MINUTE, exclude=(repeated,) * MAX_EXCLUSIONS))


@pytest.mark.parametrize("days", [MAX_EXCLUSIONS_IN_ALL, MAX_EXCLUSIONS_IN_ALL + 1])
def test_calendars_together_exclude_no_more_than_a_thousand_entries(days: int):
    exclude = tuple(Exclusion(date=date(2026, 1, 1) + n * DAY) for n in range(days))
    schedule = Schedule(accepted_at=NOON, every=MINUTE, exclude=exclude)
    if days <= MAX_EXCLUSIONS_IN_ALL:
        check_schedule(schedule)
    else:
        with pytest.raises(Invalid, match="1,001") as refusal:
            check_schedule(schedule)
        assert refusal.value.pointer == "/exclude"


@pytest.mark.parametrize(
    "parts",
    [
        "FREQ=SECONDLY;INTERVAL=9973;COUNT=1000;BYSECOND=1",
        "FREQ=DAILY;COUNT=1000",
        "FREQ=YEARLY;BYYEARDAY=" + ",".join(map(str, range(100, 330))),
    ],
)
def test_the_longest_rule_is_not_too_much(parts: str):
    check_schedule(Schedule(accepted_at=NOON, rrule=rule(parts)))


def test_many_specs_each_counted_for_a_year_are_not_too_much():
    specs = (
        Spec(rrule=rule(text)) for text in in_turn("FREQ=DAILY;BYHOUR={};COUNT=500", MAX_SPECS)
    )
    check_schedule(Schedule(accepted_at=NOON, specs=tuple(specs)))
