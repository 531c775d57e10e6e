"""A schedule of several specs: the union of what each one names, within its bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.ids import EPOCH
from domain.schedules.checks import check_schedule
from domain.schedules.fire_times import next_fire_time, nominal_times
from domain.schedules.kinds import Spec
from domain.schedules.schedule import Schedule
from tests.domain.examples import examples

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOST = 100_000

SPECS = st.one_of(
    st.builds(Spec, at=st.timedeltas(timedelta(0), DAY).map(lambda later: NOON + later)),
    st.builds(Spec, after=st.timedeltas(timedelta(0), DAY)),
    st.builds(
        Spec,
        every=st.sampled_from([600 * SECOND, HOUR, 7 * HOUR]),
        phase=st.sampled_from([timedelta(0), SECOND, 599 * SECOND]),
    ),
    st.builds(
        Spec, cron=st.sampled_from(["*/10 * * * *", "30 1 * * *", "H * * * *", "0 2-4 * * *"])
    ),
    st.builds(Spec, rrule=st.just("DTSTART:20261124T000000\nRRULE:FREQ=MINUTELY;INTERVAL=30")),
)
MANY = st.lists(SPECS, min_size=1, max_size=4)
ZONES = st.sampled_from(["UTC", "Europe/London", "Asia/Kathmandu"])


def of(*specs: Spec, **changes: object) -> Schedule:
    return Schedule(accepted_at=NOON, specs=specs, seed="job", **changes)


def a_day_of(schedule: Schedule) -> list[datetime]:
    return nominal_times(schedule, after=NOON - TICK, before=NOON + DAY, limit=MOST)


@pytest.mark.promise("schedule")
@examples(deadline=None)
@given(MANY, ZONES)
def test_the_union_is_all_that_its_specs_name_and_each_instant_once(specs: list[Spec], zone: str):
    merged = {one for spec in specs for one in a_day_of(of(spec, timezone=zone))}
    assert a_day_of(of(*specs, timezone=zone)) == sorted(merged)


@examples(deadline=None)
@given(MANY, st.randoms())
def test_the_order_of_specs_and_repeated_ones_do_not_matter(specs: list[Spec], random):
    shuffled = [*specs, *specs]
    random.shuffle(shuffled)
    assert a_day_of(of(*shuffled)) == a_day_of(of(*specs))


@examples(deadline=None)
@given(SPECS)
def test_one_spec_inline_is_the_same_as_one_in_a_list(spec: Spec):
    inline = Schedule(accepted_at=NOON, seed="job", **msgspec.structs.asdict(spec))
    assert a_day_of(inline) == a_day_of(of(spec))


@pytest.mark.promise("start_at and end_at")
@examples(deadline=None)
@given(
    MANY,
    st.timedeltas(timedelta(0), DAY).map(lambda later: NOON + later),
    st.timedeltas(timedelta(0), DAY).map(lambda later: NOON + later),
)
def test_nothing_fires_before_the_start_or_after_the_end(
    specs: list[Spec], start: datetime, end: datetime
):
    bounded = of(*specs, start_at=start, end_at=end)
    assert a_day_of(bounded) == [one for one in a_day_of(of(*specs)) if start <= one <= end]


def test_the_start_and_the_end_themselves_fire():
    schedule = of(Spec(every=HOUR), start_at=NOON + HOUR, end_at=NOON + 3 * HOUR)
    assert a_day_of(schedule) == [NOON + n * HOUR for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"start_at": NOON + HOUR, "end_at": NOON}, "/end_at"),
        ({"end_at": NOON + SECOND}, "/end_at"),
        ({"max_runs": 0}, "/max_runs"),
        ({"jitter": -SECOND}, "/jitter"),
        ({"jitter": DAY + SECOND}, "/jitter"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(changes: dict[str, object], pointer: str):
    with pytest.raises(Invalid) as refusal:
        check_schedule(of(Spec(every=HOUR, phase=60 * SECOND), **changes))
    assert refusal.value.pointer == pointer


def test_a_spec_at_fault_is_pointed_at():
    with pytest.raises(Invalid) as refusal:
        check_schedule(of(Spec(every=HOUR), Spec(every=SECOND / 2)))
    assert refusal.value.pointer == "/specs/1/every"


@pytest.mark.promise("every")
@pytest.mark.parametrize("every", [SECOND, 7 * SECOND, 61 * SECOND, 86_399 * SECOND, 3 * DAY])
def test_an_interval_does_not_drift_in_ten_years(every: timedelta):
    phase = every / 2
    schedule = of(Spec(every=every, phase=phase))
    for year in range(10):
        from_here = NOON + year * 365 * DAY
        times = nominal_times(schedule, after=from_here, before=from_here + 50 * every, limit=40)
        assert all((one - EPOCH - phase) % every == timedelta(0) for one in times)
        assert {later - earlier for earlier, later in pairwise(times)} == {every}


def test_h_is_spread_by_the_seed_and_stays_where_it_is():
    def minute(seed: str) -> int:
        schedule = Schedule(accepted_at=NOON, cron="H H * * *", seed=seed)
        found = next_fire_time(schedule, after=NOON)
        assert found is not None
        assert found == next_fire_time(schedule, after=found - TICK)
        assert next_fire_time(schedule, after=found) == found + DAY
        return found.hour * 60 + found.minute

    minutes = [minute(f"job {number}") for number in range(200)]
    assert minutes == [minute(f"job {number}") for number in range(200)]
    assert len(set(minutes)) > 150
