"""Which of the runs that a claim would make are more than their services may have a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import compress
from operator import not_

import msgspec

from commands.firing.claims.job_fires import JobFires
from domain.policies.catchup import Outcome, Stretch
from domain.schedules.fire_times import TICK
from storage.jobs.ledger import recorded_by_runs
from storage.postgres.pools import Driver
from storage.services.fire_quotas import Minute, beyond_quota


async def fires_within_quota(
    driver: Driver, fires: list[JobFires], now: datetime
) -> list[JobFires]:
    """The same without the runs that are more than their services may have a minute."""
    wanted = Counter(minute for fire in fires for minute in _minutes(fire, now))
    beyond = await beyond_quota(driver, wanted) if wanted else {}
    if not beyond:
        return fires
    # Of those that come together, the first ones are let through.
    left = wanted - Counter(beyond)
    told = await recorded_by_runs(
        driver,
        [(fire.service_id, fire.job_id, min(fire.instants) - TICK) for fire in fires if fire.due],
    )
    return [
        _let_through(fire, now, left, told[fire.job_id]) if fire.due else fire for fire in fires
    ]


def _let_through(
    fire: JobFires, now: datetime, left: Counter[Minute], told: Sequence[datetime]
) -> JobFires:
    passes = []
    for minute in _minutes(fire, now):
        passes.append(left[minute] > 0)
        left[minute] -= 1
    if all(passes):
        return fire
    refused = [
        Stretch(first=instant, last=instant, outcome=Outcome.QUOTA, count=1)
        for instant in compress(fire.instants, map(not_, passes))
        if instant not in told
    ]
    gone = {stretch.first for stretch in refused}
    return msgspec.structs.replace(
        fire,
        instants=list(compress(fire.instants, passes)),
        due=list(compress(fire.due, passes)),
        offsets=list(compress(fire.offsets, passes)),
        claimed_for=[instant for instant in fire.claimed_for if instant not in gone],
        unrun=[*fire.unrun, *refused],
        # Only jobs with `max_runs` keep a count, and refused runs are no part of it.
        run_count=max(fire.run_count - len(refused), 0),
    )


def _minutes(fire: JobFires, now: datetime) -> list[Minute]:
    """The minute in which each of its runs rings."""
    return [(fire.service_id, max(due, now).replace(second=0, microsecond=0)) for due in fire.due]
