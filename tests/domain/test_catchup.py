"""What becomes of late fire times, against a model that lists every instant one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import domain.policies.catchup_plan
from domain.errors import Invalid
from domain.policies.catchup import CatchupPolicy, Coalesce, Outcome, Plan, Stretch, check_catchup
from domain.policies.catchup_plan import COUNTED, account, plan
from domain.schedules.fire_times import due_time, is_excluded, next_fire_time, nominal_times
from domain.schedules.kinds import Spec
from domain.schedules.kinds.every import Every
from domain.schedules.schedule import Exclusion, Schedule
from tests.domain.examples import examples

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
YEAR = timedelta(days=365)

SPECS = st.one_of(
    st.builds(Spec, every=st.sampled_from([7 * SECOND, 30 * SECOND, 60 * SECOND, 600 * SECOND])),
    st.builds(Spec, cron=st.sampled_from(["*/2 * * * *", "0,1,2 * * * *", "0-10 12 * * *"])),
    st.builds(Spec, at=st.timedeltas(-HOUR, HOUR).map(lambda ago: NOON - ago)),
)
EXCLUSIONS = st.one_of(
    st.builds(Exclusion, every=st.sampled_from([14 * SECOND, 60 * SECOND, 120 * SECOND])),
    st.builds(Exclusion, cron=st.sampled_from(["* 11 * * *", "*/5 * * * *", "50-59 * * * *"])),
    st.just(Exclusion(date=date(2026, 11, 25))),
)
SCHEDULES = st.builds(
    Schedule,
    accepted_at=st.just(NOON - 3 * HOUR),
    specs=st.lists(SPECS, min_size=1, max_size=3).map(tuple),
    exclude=st.lists(EXCLUSIONS, max_size=2).map(tuple),
    end_at=st.none() | st.timedeltas(-HOUR, HOUR).map(lambda left: NOON + left),
    jitter=st.sampled_from([timedelta(0), 5 * SECOND, HOUR]),
    seed=st.sampled_from(["one", "another"]),
)
POLICIES = st.builds(
    CatchupPolicy,
    window=st.just(timedelta(0)) | st.timedeltas(SECOND, 2 * HOUR),
    coalesce=st.sampled_from(Coalesce),
    limit=st.integers(1, 12),
)
OUTAGES = st.timedeltas(timedelta(0), HOUR)
EVERY_MINUTE = Schedule(accepted_at=NOON - YEAR, every=60 * SECOND)


@pytest.fixture(scope="module", autouse=True)
def without_a_budget() -> Iterator[None]:
    """What is decided, whatever it costs; test_costly_schedules.py has budgets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("domain.policies.catchup_plan.PLAN_STEPS", 10**9)
        yield


def after_an_outage(
    schedule: Schedule,
    policy: CatchupPolicy,
    outage: timedelta,
    *,
    ahead: timedelta = 5 * SECOND,
    limit: int = 100,
    runs_left: int | None = None,
    told: Collection[datetime] = (),
) -> tuple[datetime, Plan] | None:
    """The plan made at noon, and up to when all was accounted for; None if nothing is to plan."""
    accounted_to = NOON - outage
    first = next_fire_time(schedule, after=accounted_to)
    if first is None or due_time(schedule, first) > NOON + ahead:
        return None
    made = plan(
        schedule,
        policy,
        accounted_to=accounted_to,
        next_fire_for=first,
        now=NOON,
        until=NOON + ahead,
        limit=limit,
        runs_left=runs_left,
        told=told,
    )
    return accounted_to, made


def outcomes_of(runs: list[datetime], unrun: list[Stretch], nominal: list[datetime]):
    """What became of each of these instants: one outcome, or this fails."""
    found: list[tuple[datetime, Outcome]] = []
    for instant in nominal:
        said = [Outcome.RUN] * runs.count(instant)
        said += [one.outcome for one in unrun if one.first <= instant <= one.last]
        assert len(said) == 1, (instant, said)
        found.append((instant, said[0]))
    return found


def expected(
    schedule: Schedule, policy: CatchupPolicy, nominal: list[datetime]
) -> list[tuple[datetime, Outcome]]:
    """What should become of them at noon, decided one by one."""
    kept = [instant for instant in nominal if not is_excluded(schedule, instant)]
    late = [one for one in kept if due_time(schedule, one) < NOON - SECOND]
    recent = [
        one for one in late if policy.window and due_time(schedule, one) >= NOON - policy.window
    ]
    chosen: list[datetime] = {
        Coalesce.LATEST: recent[-1:],
        Coalesce.EARLIEST: recent[:1],
        Coalesce.ALL: recent[-policy.limit :],
    }[policy.coalesce]

    def outcome(instant: datetime) -> Outcome:
        if instant not in kept:
            return Outcome.EXCLUDED
        if instant not in late or instant in chosen:
            return Outcome.RUN
        if instant in recent and policy.coalesce is not Coalesce.ALL:
            return Outcome.COALESCED
        return Outcome.MISSED

    return [(instant, outcome(instant)) for instant in nominal]


@examples(deadline=None, max_examples=300)
@given(SCHEDULES, POLICIES, OUTAGES, st.integers(1, 20))
def test_each_instant_has_the_one_outcome_that_the_policy_says(
    schedule: Schedule, policy: CatchupPolicy, outage: timedelta, limit: int
):
    planned = after_an_outage(schedule, policy, outage, limit=limit)
    if planned is None:
        return
    start, made = planned
    nominal = nominal_times(schedule, after=start, before=made.accounted_to + TICK, limit=10_000)
    found = outcomes_of(made.runs, made.unrun, nominal)
    assert found == expected(schedule, policy, nominal)
    assert made.next_fire_for == next_fire_time(schedule, after=made.accounted_to)
    for one in made.unrun:
        assert one.count == sum(one.first <= instant <= one.last for instant in nominal)
        assert {one.first, one.last} <= set(nominal)


@examples(deadline=None, max_examples=300)
@given(SCHEDULES, POLICIES, OUTAGES, st.sets(st.integers(0, 12)))
def test_what_is_told_by_runs_is_left_out_as_if_it_were_not_named(
    schedule: Schedule, policy: CatchupPolicy, outage: timedelta, numbers: set[int]
):
    whole = nominal_times(schedule, after=NOON - outage, before=NOON + HOUR, limit=10_000)
    told = {instant for number, instant in enumerate(whole) if number % 13 in numbers}
    planned = after_an_outage(schedule, policy, outage, told=told)
    if planned is None:
        return
    start, made = planned
    nominal = nominal_times(schedule, after=start, before=made.accounted_to + TICK, limit=10_000)
    others = [instant for instant in nominal if instant not in told]
    assert outcomes_of(made.runs, made.unrun, others) == expected(schedule, policy, others)
    assert told.isdisjoint(made.runs)
    assert not any(one.first <= instant <= one.last for one in made.unrun for instant in told)
    assert made.next_fire_for == next_fire_time(schedule, after=made.accounted_to)


@examples(deadline=None, max_examples=200)
@given(SCHEDULES, st.sets(st.integers(0, 12)), st.integers(1, 60))
def test_an_account_leaves_out_what_is_told_by_runs(
    schedule: Schedule, numbers: set[int], counted: int
):
    start = NOON - HOUR
    nominal = nominal_times(schedule, after=start, before=NOON + TICK, limit=10_000)
    told = {instant for number, instant in enumerate(nominal) if number % 13 in numbers}
    others = [instant for instant in nominal if instant not in told]
    found = account(schedule, Outcome.PAUSED, after=start, until=NOON, told=told)
    assert [outcome for _, outcome in outcomes_of([], found, others)] == [
        Outcome.EXCLUDED if is_excluded(schedule, one) else Outcome.PAUSED for one in others
    ]
    assert sum(one.count or 0 for one in found) == len(others)
    with patch.object(domain.policies.catchup_plan, "COUNTED", counted):
        rough = account(schedule, Outcome.PAUSED, after=start, until=NOON, told=told)
    outcomes_of([], rough, others)
    for stretches in (found, rough):
        assert not any(one.first <= instant <= one.last for one in stretches for instant in told)


@examples(deadline=None, max_examples=200)
@given(SCHEDULES, POLICIES, OUTAGES)
def test_a_plan_is_in_order_and_makes_headway(
    schedule: Schedule, policy: CatchupPolicy, outage: timedelta
):
    planned = after_an_outage(schedule, policy, outage)
    if planned is None:
        return
    start, made = planned
    assert start < made.accounted_to or made.next_fire_for is None
    entries = sorted(
        [(run, run) for run in made.runs] + [(one.first, one.last) for one in made.unrun]
    )
    assert all(before[1] < after[0] for before, after in pairwise(entries))
    assert made.runs == sorted(made.runs)
    assert [one.first for one in made.unrun] == sorted(one.first for one in made.unrun)


@examples(deadline=None, max_examples=200)
@given(SCHEDULES, POLICIES, OUTAGES, st.integers(1, 5))
def test_nothing_is_told_beyond_the_last_run_of_all(
    schedule: Schedule, policy: CatchupPolicy, outage: timedelta, runs_left: int
):
    whole = after_an_outage(schedule, policy, outage)
    cut = after_an_outage(schedule, policy, outage, runs_left=runs_left)
    if whole is None or cut is None:
        return
    assert cut[1].runs == whole[1].runs[:runs_left]
    if len(whole[1].runs) < runs_left:
        assert cut == whole
        return
    last = cut[1].runs[-1]
    assert (cut[1].accounted_to, cut[1].next_fire_for) == (last, None)
    assert cut[1].unrun == [one for one in whole[1].unrun if one.last < last]


@examples(deadline=None, max_examples=200)
@given(SCHEDULES, st.timedeltas(timedelta(0), HOUR), st.timedeltas(timedelta(0), HOUR))
def test_an_account_names_every_instant_once(
    schedule: Schedule, before: timedelta, length: timedelta
):
    start, until = NOON - before, NOON - before + length
    found = account(schedule, Outcome.PAUSED, after=start, until=until)
    nominal = nominal_times(schedule, after=start, before=until + TICK, limit=10_000)
    assert outcomes_of([], found, nominal) == [
        (one, Outcome.EXCLUDED if is_excluded(schedule, one) else Outcome.PAUSED) for one in nominal
    ]
    assert sum(one.count or 0 for one in found) == len(nominal)
    assert all(earlier.outcome != later.outcome for earlier, later in pairwise(found))


@examples(deadline=None, max_examples=150)
@given(SCHEDULES, POLICIES, OUTAGES, st.integers(1, 60))
def test_where_there_are_too_many_to_count_the_runs_are_the_same_and_nothing_is_left_out(
    schedule: Schedule, policy: CatchupPolicy, outage: timedelta, counted: int
):
    exact = after_an_outage(schedule, policy, outage)
    with patch.object(domain.policies.catchup_plan, "COUNTED", max(counted, policy.limit)):
        planned = after_an_outage(schedule, policy, outage)
    if planned is None or exact is None:
        return
    start, made = planned
    assert made.runs == exact[1].runs
    assert made.next_fire_for == exact[1].next_fire_for
    nominal = nominal_times(schedule, after=start, before=made.accounted_to + TICK, limit=10_000)
    outcomes_of(made.runs, made.unrun, nominal)
    for one in made.unrun:
        within = [instant for instant in nominal if one.first <= instant <= one.last]
        assert within
        assert one.count in (None, len(within))


@pytest.mark.promise("catchup")
@pytest.mark.parametrize(
    ("coalesce", "runs", "others"),
    [
        (Coalesce.LATEST, [9], Outcome.COALESCED),
        (Coalesce.EARLIEST, [0], Outcome.COALESCED),
        (Coalesce.ALL, [7, 8, 9], Outcome.MISSED),
    ],
)
def test_a_policy_chooses_among_ten_missed_minutes(
    coalesce: Coalesce, runs: list[int], others: Outcome
):
    policy = CatchupPolicy(window=HOUR, coalesce=coalesce, limit=3)
    planned = after_an_outage(EVERY_MINUTE, policy, 600 * SECOND + TICK, ahead=-SECOND)
    assert planned is not None
    made = planned[1]
    assert made.runs == [NOON - (10 - number) * 60 * SECOND for number in runs]
    assert {one.outcome for one in made.unrun} == {others}
    assert sum(one.count or 0 for one in made.unrun) == 10 - len(runs)
    assert made.next_fire_for == NOON


@pytest.mark.promise("catchup")
def test_without_a_window_all_that_is_late_is_missed_and_what_is_on_time_runs():
    planned = after_an_outage(EVERY_MINUTE, CatchupPolicy(window=timedelta(0)), 600 * SECOND + TICK)
    assert planned is not None
    assert planned[1].runs == [NOON]
    assert [(one.outcome, one.count) for one in planned[1].unrun] == [(Outcome.MISSED, 10)]


@pytest.mark.parametrize(
    "exclude", [(), (Exclusion(cron="30-58 * * * *"),), (Exclusion(every=2 * SECOND),)]
)
@pytest.mark.parametrize("coalesce", Coalesce)
@pytest.mark.parametrize("window", [timedelta(0), 60 * SECOND, timedelta(days=366)])
def test_a_year_without_a_dispatcher_takes_bounded_work_for_a_job_of_every_second(
    exclude: tuple[Exclusion, ...], coalesce: Coalesce, window: timedelta
):
    schedule = Schedule(accepted_at=NOON - YEAR, every=SECOND, exclude=exclude)
    policy = CatchupPolicy(window=window, coalesce=coalesce, limit=10)
    with patch.object(Every, "next", autospec=True, side_effect=Every.next) as reckoned:
        planned = after_an_outage(schedule, policy, YEAR)
    assert reckoned.call_count < 4 * COUNTED
    assert planned is not None
    start, made = planned
    position = start
    for first, last in sorted(
        [(run, run) for run in made.runs] + [(one.first, one.last) for one in made.unrun]
    ):
        assert position < first <= position + SECOND
        position = last
    late = [run for run in made.runs if run < NOON - SECOND]
    assert len(late) == (0 if not window else 10 if coalesce is Coalesce.ALL else 1)


def test_the_newest_run_though_they_came_in_one_burst_long_ago():
    burst = Spec(cron="* * 0 24 11 *")  # an hour without seconds of its own
    seconds = Spec(cron="* * 0 * * *")
    schedule = Schedule(accepted_at=NOON - YEAR, specs=(burst, seconds))
    policy = CatchupPolicy(window=24 * HOUR, coalesce=Coalesce.ALL, limit=1_000)
    planned = after_an_outage(schedule, policy, 13 * HOUR)
    assert planned is not None
    last = NOON.replace(hour=0) + HOUR - SECOND
    assert planned[1].runs == [last - number * SECOND for number in reversed(range(1_000))]
    assert [one.count for one in planned[1].unrun] == [2_600]


def test_the_earliest_of_a_year_runs():
    schedule = Schedule(accepted_at=NOON - YEAR, every=SECOND)
    policy = CatchupPolicy(window=timedelta(days=366), coalesce=Coalesce.EARLIEST)
    planned = after_an_outage(schedule, policy, YEAR)
    assert planned is not None
    assert planned[1].runs[0] == NOON - YEAR + SECOND


@pytest.mark.promise("jitter")
@examples(deadline=None, max_examples=100)
@given(st.timedeltas(timedelta(0), 24 * HOUR), st.integers(0, 10_000), st.text(max_size=5))
def test_a_run_is_due_within_the_jitter_and_never_past_the_next_fire_time(
    jitter: timedelta, number: int, seed: str
):
    schedule = Schedule(accepted_at=NOON, every=HOUR, jitter=jitter, seed=seed)
    fire_time = NOON + number * HOUR
    due = due_time(schedule, fire_time)
    assert fire_time <= due <= fire_time + min(jitter, HOUR)
    assert due == due_time(schedule, fire_time)


def test_jitter_spreads_jobs_and_fire_times_evenly():
    schedule = Schedule(accepted_at=NOON, every=24 * HOUR, jitter=10 * HOUR)
    lags = [due_time(schedule, one) - one for one in (NOON + n * 24 * HOUR for n in range(1_000))]
    for tenth in range(10):
        assert 60 < sum(tenth * HOUR <= lag < (tenth + 1) * HOUR for lag in lags) < 140
    other = Schedule(accepted_at=NOON, every=24 * HOUR, jitter=10 * HOUR, seed="other")
    assert due_time(other, NOON) != due_time(schedule, NOON)


@examples(deadline=None, max_examples=100)
@given(st.text(min_size=1, max_size=8), POLICIES)
def test_a_jittered_run_that_is_due_is_not_late_however_long_ago_its_fire_time(
    seed: str, policy: CatchupPolicy
):
    daily = Schedule(accepted_at=NOON - YEAR, every=24 * HOUR, jitter=12 * HOUR, seed=seed)
    fire_time = NOON.replace(hour=0)
    due = due_time(daily, fire_time)

    def runs_at(now: datetime) -> list[datetime]:
        return plan(
            daily,
            policy,
            accounted_to=fire_time - TICK,
            next_fire_for=fire_time,
            now=now,
            until=now + 5 * SECOND,
            limit=100,
        ).runs

    assert runs_at(due) == runs_at(due + SECOND) == [fire_time]
    if policy.window > SECOND:
        assert runs_at(due + policy.window) == [fire_time]
    assert runs_at(due + max(policy.window, SECOND) + TICK) == []


@pytest.mark.parametrize(
    ("policy", "pointer"),
    [
        (CatchupPolicy(window=TICK), "/window"),
        (CatchupPolicy(window=-SECOND), "/window"),
        (CatchupPolicy(window=timedelta(days=367)), "/window"),
        (CatchupPolicy(limit=0), "/limit"),
        (CatchupPolicy(limit=1_001), "/limit"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policy: CatchupPolicy, pointer: str):
    with pytest.raises(Invalid) as refusal:
        check_catchup(policy)
    assert refusal.value.pointer == pointer
