"""Wall-clock patterns on the time line, compared with clocks that are read minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedules.clocks.wall_clock import Fold, Gap, next_instant, note_of
from domain.schedules.cron.expression import parse_cron
from tests.domain.examples import examples
from tests.domain.instants import instants
from tests.domain.schedules.cron_clocks import HOUR, SECOND, YEARS, changes, offset, readings
from tests.domain.schedules.cron_oracle import DAYS, WEEKDAYS, Cron, crons, either, fixed, starred

AROUND = 7 * HOUR
GAPS, FOLDS = st.sampled_from(Gap), st.sampled_from(Fold)
# One field that is drawn from few numbers makes more of them meet a change.
MINUTES = either(0, 59) | fixed(0, 2)
LONDON = ZoneInfo("Europe/London")
LAST = datetime.max.replace(tzinfo=UTC)


def fire_times_between(
    cron: str,
    zone: ZoneInfo,
    start: datetime,
    end: datetime,
    *,
    gap: Gap = Gap.RUN_AFTER,
    fold: Fold = Fold.FIRST,
) -> list[datetime]:
    pattern = parse_cron(cron)
    found: list[datetime] = []
    upcoming = next_instant(pattern, zone, after=start, gap=gap, fold=fold)
    while upcoming is not None and upcoming <= end:
        assert upcoming > (found[-1] if found else start), "it does not advance"
        found.append(upcoming)
        upcoming = next_instant(pattern, zone, after=upcoming, gap=gap, fold=fold)
    return found


@st.composite
def windows(
    draw: st.DrawFn, names: list[str], around: timedelta
) -> tuple[str, datetime, datetime, datetime]:
    """A zone, a change of its clocks, and a window that begins or ends close to it."""
    name = draw(st.sampled_from(names))
    change = draw(st.sampled_from(changes(name)))
    start = change + draw(st.timedeltas(-around, around / 2))
    return name, change, start, change + around


def within(times: list[datetime], start: datetime, end: datetime) -> list[datetime]:
    return [instant for instant in times if start < instant <= end]


def step_of(name: str) -> timedelta:
    return timedelta(seconds=30 if name == "Africa/Monrovia" else 60)


@pytest.mark.promise("clock changes")
@given(
    windows(sorted(YEARS), AROUND),
    crons(MINUTES, starred(0, 23)) | crons(MINUTES, starred(0, 23), DAYS, weekday=WEEKDAYS),
    GAPS,
    FOLDS,
)
@examples(deadline=None, max_examples=100)
def test_wildcard_hours_follow_elapsed_time(window, cron: Cron, gap: Gap, fold: Fold):
    name, change, start, end = window
    expected = readings(name, change, AROUND, step_of(name)).elapsed_times(cron)
    found = fire_times_between(str(cron), ZoneInfo(name), start, end, gap=gap, fold=fold)
    assert found == within(expected, start, end)


@pytest.mark.promise("clock changes")
@pytest.mark.parametrize("fold", Fold)
@pytest.mark.parametrize("gap", Gap)
@given(
    windows(sorted(YEARS), AROUND),
    crons(MINUTES, fixed(0, 23)) | crons(MINUTES, fixed(0, 23), DAYS, weekday=WEEKDAYS),
)
@examples(deadline=None, max_examples=60)
def test_fixed_hours_fire_once_a_wall_time_by_the_rules_for_gap_and_fold(
    gap: Gap, fold: Fold, window, cron: Cron
):
    name, change, start, end = window
    expected = readings(name, change, AROUND, step_of(name)).fixed_times(cron, gap, fold)
    found = fire_times_between(str(cron), ZoneInfo(name), start, end, gap=gap, fold=fold)
    assert found == within(expected, start, end)


@given(
    windows(["Europe/London", "Australia/Lord_Howe", "Africa/Monrovia"], HOUR / 3),
    crons(either(0, 59), either(0, 23), second=fixed(0, 59) | starred(0, 59)),
    GAPS,
    FOLDS,
)
@examples(deadline=None, max_examples=40)
def test_seconds_are_not_lost_around_a_change(window, cron: Cron, gap: Gap, fold: Fold):
    name, change, start, end = window
    clock = readings(name, change, HOUR / 3, SECOND)
    elapsed = cron.hour.starred
    expected = clock.elapsed_times(cron) if elapsed else clock.fixed_times(cron, gap, fold)
    start = max(start, end - HOUR / 4)
    found = fire_times_between(str(cron), ZoneInfo(name), start, end, gap=gap, fold=fold)
    assert found == within(expected, start, end)


@given(
    st.sampled_from(sorted(available_timezones() - {"localtime"})),
    instants(1900, 2190),
    st.sampled_from(["0 3 * * *", "30 0 * * *", "*/20 * * * *", "0 */2 1 * *", "59 23 L 2 *"]),
    GAPS,
    FOLDS,
)
@examples(deadline=None, max_examples=100)
def test_in_every_zone_a_fire_time_is_still_to_come_and_shows_a_named_wall_time_or_a_note(
    name: str, after: datetime, expression: str, gap: Gap, fold: Fold
):
    zone, cron = ZoneInfo(name), parse_cron(expression)
    upcoming = next_instant(cron, zone, after=after, gap=gap, fold=fold)
    assert upcoming is not None
    assert upcoming > after
    wall = upcoming.astimezone(zone).replace(tzinfo=None)
    assert cron.names(wall) or note_of(cron, upcoming, zone) == "gap"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text + "Z").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "gap", "fires"),
    [
        ("30 1 * * *", Gap.RUN_AFTER, ["2026-03-29T01:00"]),
        ("30 1 * * *", Gap.SKIP, []),
        ("*/5 1 * * *", Gap.RUN_AFTER, ["2026-03-29T01:00"]),  # twelve of one gap are one
        ("0 1,2 * * *", Gap.RUN_AFTER, ["2026-03-29T01:00"]),  # and one with what is named
        ("0 1,2 * * *", Gap.SKIP, ["2026-03-29T01:00"]),
        ("30 */1 * * *", Gap.RUN_AFTER, ["2026-03-29T00:30", "2026-03-29T01:30"]),
    ],
)
def test_london_goes_without_an_hour_in_march(cron: str, gap: Gap, fires: list[str]):
    start, end = at("2026-03-29T00:15"), at("2026-03-29T01:45")
    found = fire_times_between(cron, LONDON, start, end, gap=gap)
    assert found == [at(text) for text in fires]


@pytest.mark.parametrize(
    ("cron", "fold", "fires"),
    [
        ("30 1 * * *", Fold.FIRST, ["2026-10-25T00:30"]),
        ("30 1 * * *", Fold.SECOND, ["2026-10-25T01:30"]),
        ("30 1 * * *", Fold.BOTH, ["2026-10-25T00:30", "2026-10-25T01:30"]),
        ("30 * * * *", Fold.FIRST, ["2026-10-25T00:30", "2026-10-25T01:30"]),
    ],
)
def test_london_has_an_hour_twice_in_october(cron: str, fold: Fold, fires: list[str]):
    start, end = at("2026-10-25T00:00"), at("2026-10-25T02:00")
    found = fire_times_between(cron, LONDON, start, end, fold=fold)
    assert found == [at(text) for text in fires]


def test_in_the_second_pass_of_a_fold_the_first_is_over():
    after = at("2026-10-25T01:10")  # 01:10 in London, for the second time
    upcoming = next_instant(
        parse_cron("30 1 * * *"), LONDON, after=after, gap=Gap.RUN_AFTER, fold=Fold.FIRST
    )
    assert upcoming == at("2026-10-26T01:30")


def test_the_last_wall_time_of_a_pattern_comes_again_in_a_fold():
    cairo = ZoneInfo("Africa/Cairo")  # 29 October 2026 has its last hour twice
    start, end = at("2026-10-29T20:00"), at("2027-10-29T20:00")
    found = fire_times_between("0 30 * 29 10 ? 2026", cairo, start, end)
    assert found == [at("2026-10-29T20:30"), at("2026-10-29T21:30")]


@pytest.mark.parametrize(
    ("cron", "fires"),
    [
        ("0 12 * * *", ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"]),
        ("0 12 30 12 *", ["2011-12-30T10:00"]),
        ("0 */12 * * *", ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"]),
        ("0 12/12 * * *", ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"]),
        ("0 * 30 12 *", []),
    ],
)
def test_samoa_goes_without_a_day(cron: str, fires: list[str]):
    start, end = at("2011-12-29T21:00"), at("2011-12-31T09:00")
    found = fire_times_between(cron, ZoneInfo("Pacific/Apia"), start, end)
    assert found == [at(text) for text in fires]


def test_a_far_pattern_of_elapsed_time_is_found_across_changes_in_between():
    found = next_instant(
        parse_cron("0 * 1 1 *"), LONDON, after=at("2026-03-01T00:00"), gap=Gap.SKIP, fold=Fold.BOTH
    )
    assert found == at("2027-01-01T00:00")


def test_a_daily_job_keeps_its_local_hour_all_year():
    start, zone = datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("America/New_York")
    found = fire_times_between("0 9 * * *", zone, start, start + timedelta(days=364))
    local = [instant.astimezone(zone) for instant in found]
    assert len(found) == 364
    assert {(wall.hour, wall.minute) for wall in local} == {(9, 0)}
    assert {instant.hour for instant in found} == {13, 14}


@pytest.mark.parametrize(
    ("cron", "instant", "note"),
    [
        ("30 1 * * *", "2026-03-29T01:00", "gap"),
        ("0 1,2 * * *", "2026-03-29T01:00", None),  # 02:00 is named itself
        ("0 2 * * *", "2026-03-29T01:00", None),
        ("30 */2 * * *", "2026-03-29T01:00", None),  # elapsed time stands in for nothing
        ("30 1 * * *", "2026-03-28T01:30", None),
        ("30 1 * * *", "2026-10-25T00:30", "fold"),
        ("30 1 * * *", "2026-10-25T01:30", "fold"),
        ("30 * * * *", "2026-10-25T01:30", "fold"),
        ("30 2 * * *", "2026-10-25T02:30", None),
    ],
)
def test_a_fire_time_at_a_gap_or_fold_is_noted(cron: str, instant: str, note: str | None):
    assert note_of(parse_cron(cron), at(instant), LONDON) == note


@given(windows(sorted(YEARS), AROUND), crons(MINUTES, fixed(0, 23)))
@examples(deadline=None, max_examples=50)
def test_a_gap_is_noted_exactly_where_skipping_would_not_fire(window, cron: Cron):
    name, _, start, end = window
    zone, pattern = ZoneInfo(name), parse_cron(str(cron))
    fires = fire_times_between(str(cron), zone, start, end, gap=Gap.RUN_AFTER)
    skipping = fire_times_between(str(cron), zone, start, end, gap=Gap.SKIP)
    noted = {instant for instant in fires if note_of(pattern, instant, zone) == "gap"}
    assert noted == set(fires) - set(skipping)


@pytest.mark.parametrize("name", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("cron", ["0 3 * * *", "0 * * * *", "0 0 30 2 *"])
@pytest.mark.parametrize("after", [LAST, LAST - 3 * HOUR, at("2199-12-31T23:00")])
def test_at_the_end_of_the_calendar_nothing_fires(name: str, cron: str, after: datetime):
    zone = ZoneInfo(name)
    found = [
        next_instant(parse_cron(cron), zone, after=after, gap=gap, fold=fold)
        for gap in Gap
        for fold in Fold
    ]
    assert all(instant is None or instant.year <= 2200 for instant in found)
    if after.year > 2200:
        assert set(found) == {None}


@pytest.mark.parametrize("name", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_at_the_start_of_the_calendar_nothing_breaks(name: str):
    after, cron, zone = datetime.min.replace(tzinfo=UTC), parse_cron("0 3 * * *"), ZoneInfo(name)
    upcoming = next_instant(cron, zone, after=after, gap=Gap.RUN_AFTER, fold=Fold.BOTH)
    assert upcoming is None or upcoming.year == 1
    assert note_of(cron, after, zone) is None


def test_a_wall_time_that_is_always_skipped_never_fires():
    skipped = parse_cron("30 1 * 3 SUNL")  # when London's clocks go forward
    found = next_instant(
        skipped, LONDON, after=at("2026-01-01T00:00"), gap=Gap.SKIP, fold=Fold.FIRST
    )
    assert found is None


@pytest.mark.parametrize("name", sorted(YEARS.keys() - {"UTC"}))
def test_the_changes_that_tests_look_at_are_real(name: str):
    zone = ZoneInfo(name)
    for change in changes(name):
        assert offset(zone, change) != offset(zone, change - SECOND)
