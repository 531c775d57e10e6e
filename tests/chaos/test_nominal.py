"""The oracle by examples that people can count, and against the real thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.schemas.schedules import ExclusionBody, ScheduleBody
from domain.schedules.fire_times import is_excluded as really_excluded
from domain.schedules.fire_times import nominal_times
from tests.chaos.nominal import SECOND, TICK, instants, is_excluded

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def seconds(schedule: dict[str, Any], to: float = 10) -> list[float]:
    named = instants(schedule, NOON, NOON, NOON + to * SECOND)
    return [(one - NOON).total_seconds() for one in named if not is_excluded(schedule, one)]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"every": 3}, [3, 6, 9]),
        ({"every": 3, "phase": 1}, [1, 4, 7, 10]),
        ({"cron": "*/4 * * * * *"}, [4, 8]),
        ({"cron": "1,7-9 * * * * *"}, [1, 7, 8, 9]),
        ({"cron": "5 1 * * * *"}, []),
        ({"after": 2.5}, [2.5]),
        ({"at": "2026-11-24T12:00:03.25+00:00"}, [3.25]),
        ({"every": 2, "exclude": [{"every": 6}]}, [2, 4, 8, 10]),
        ({"every": 2, "end_at": "2026-11-24T12:00:04+00:00"}, [2, 4]),
        ({"every": 2, "start_at": "2026-11-24T12:00:08+00:00"}, [8, 10]),
    ],
)
def test_what_a_schedule_names(schedule: dict[str, Any], expected: list[float]) -> None:
    assert seconds(schedule) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        {"every": 7, "phase": 3},
        {"every": 1, "exclude": [{"cron": "* 3,5-8 * * * *"}]},
        {"cron": "5,17,31-34 */2 * * * *"},
        {"cron": "*/9 * 12-13 * * *", "exclude": [{"every": 27}]},
    ],
)
def test_it_names_what_tocsin_names(schedule: dict[str, Any]) -> None:
    body = ScheduleBody(
        **{name: value for name, value in schedule.items() if name != "exclude"},
        exclude=_exclusions(schedule),
    )
    real = body.schedule(NOON)
    to = NOON + timedelta(hours=1)
    named = instants(schedule, NOON, NOON, to)
    assert named == nominal_times(real, after=NOON, before=to + TICK, limit=4_000)
    assert all(is_excluded(schedule, one) == really_excluded(real, one) for one in named)


def _exclusions(schedule: dict[str, Any]) -> list[Any]:
    return [ExclusionBody(**rule) for rule in schedule.get("exclude", ())]
