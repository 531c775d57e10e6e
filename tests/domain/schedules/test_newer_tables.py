"""What fires next by newer tables: nothing that has its run already under an older offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.schedules.kinds import Spec
from domain.schedules.newer_tables import Claimed, depends_on_tables, next_by_newer_tables
from domain.schedules.schedule import Exclusion, Schedule

VANCOUVER = "America/Vancouver"  # UTC-7 all year from 2026 on; by older tables, -8 in winter
OLDER, NOW = -8 * 3_600, -7 * 3_600
NINE = {"cron": "0 9 * * *", "timezone": VANCOUVER}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "after", "claimed", "upcoming"),
    [
        # Moved an hour earlier: as usual, the day's only one.
        (NINE, "09T17:00", [("09T17:00", OLDER)], "10T16:00"),
        (NINE, "09T16:00", [("09T16:00", NOW)], "10T16:00"),
        (NINE, "10T15:30", [], "10T16:00"),
        # As if the tables before had been an hour further east: its wall time has rung today.
        (NINE, "10T15:00", [("10T15:00", NOW + 3_600)], "11T16:00"),
        (NINE, "10T14:00", [("10T14:00", NOW + 7_200)], "11T16:00"),
        # The one of yesterday was another wall time's.
        (NINE, "10T15:00", [("10T15:00", NOW)], "10T16:00"),
        (NINE, "10T15:00", [("10T14:00", NOW + 3_600)], "10T16:00"),
        # What a claim told ahead stays told.
        (NINE, "09T17:00", [("09T17:00", OLDER), ("10T15:00", NOW + 3_600)], "11T16:00"),
        # Elapsed time and instants do not move with a name.
        ({"cron": "0 * * * *", "timezone": VANCOUVER}, "10T15:00",
         [("10T15:00", NOW + 3_600), ("10T14:00", NOW + 3_600)], "10T16:00"),
        ({"every": timedelta(hours=1), "timezone": VANCOUVER}, "10T15:00",
         [("10T15:00", NOW + 3_600)], "10T16:00"),
        ({"specs": (Spec(cron="0 9 * * *"), Spec(at=at("10T16:00"))), "timezone": VANCOUVER},
         "10T15:00", [("10T15:00", NOW + 3_600)], "10T16:00"),
        ({"rrule": "DTSTART:20261201T090000\nRRULE:FREQ=DAILY", "timezone": VANCOUVER},
         "10T15:00", [("10T15:00", NOW + 3_600)], "11T16:00"),
        # At the end of the schedule nothing is left.
        ({**NINE, "end_at": at("10T16:30")}, "10T15:00", [("10T15:00", NOW + 3_600)], None),
    ],
)  # fmt: skip
def test_the_next_fire_time_by_newer_tables(
    spec: dict[str, object],
    after: str,
    claimed: list[tuple[str, int]],
    upcoming: str | None,
):
    schedule = Schedule(accepted_at=at("01T00:00"), **spec)
    found = next_by_newer_tables(
        schedule,
        after=at(after),
        claimed=[Claimed(at(instant), offset) for instant, offset in claimed],
    )
    assert found == (None if upcoming is None else at(upcoming))


@pytest.mark.parametrize(
    ("fields", "depends"),
    [
        ({"cron": "0 9 * * *"}, False),
        ({"every": timedelta(hours=1)}, False),
        (NINE, True),
        ({"rrule": "DTSTART;TZID=Asia/Tokyo:20261201T090000\nRRULE:FREQ=DAILY"}, True),
        ({"every": timedelta(hours=1), "exclude": (
            Exclusion(rrule="DTSTART;tzid=Asia/Tokyo:20261201T090000\nRRULE:FREQ=DAILY"),)}, True),
    ],
)  # fmt: skip
def test_what_depends_on_tables(fields: dict[str, object], depends: bool):
    assert depends_on_tables(Schedule(accepted_at=at("01T00:00"), **fields)) is depends
