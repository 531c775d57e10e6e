"""A day of load, minute by minute: recorded, or made up from schedules as people write them.

python -m loadtests.scaling.day > loadtests/scaling/day.csv
"""

from __future__ import annotations

import csv
import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from domain.schedules.fire_times import next_fire_time
from domain.schedules.schedule import Schedule

SEED = 20_261_124
DATE = datetime(2026, 11, 24, tzinfo=UTC)
MINUTES = 1_440
SCHEDULES, JOBS_OF_EACH = 1_500, 50
PEOPLE, SERVICES = 10_000, 1_000
CAMPAIGN = range(850, 875)
"""Minutes in which a customer's campaign brings requests and fires beyond what a day has."""
CAMPAIGN_FACTOR, CAMPAIGN_FIRES = 2, 6_000
_ZONES = ("UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "America/Los_Angeles")
_HOURS = ("0", "2", "3", "6", "7", "8", "9", "12", "18", "22")


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    requests: To the API, spread over the minute.
    fires: Spread over the minute.
    at_once: Fires at its first instant.
    """

    requests: int
    fires: int
    at_once: int


def read_day(path: Path) -> list[Minute]:
    """A day from a CSV with the columns `requests,fires,at_once`, a line for each minute.

    Raises:
        ValueError: When it is no whole day.
    """
    with path.open(newline="") as file:
        minutes = [msgspec.convert(row, Minute, strict=False) for row in csv.DictReader(file)]
    if len(minutes) != MINUTES:
        raise ValueError(f"{path} has {len(minutes)} minutes; a day has {MINUTES}.")
    return minutes


def made_up_day() -> Iterator[Minute]:
    """Fires as their schedules say, 75,000 jobs; requests of people by day, of services always."""
    chance = random.Random(SEED)
    fires, at_once = [0] * MINUTES, [0] * MINUTES
    for number in range(SCHEDULES):
        _count(_schedule(chance, number), fires, at_once)
    for minute in range(MINUTES):
        yield Minute(
            requests=_requests(minute, chance) * (CAMPAIGN_FACTOR if minute in CAMPAIGN else 1),
            fires=fires[minute] * JOBS_OF_EACH + (60 * CAMPAIGN_FIRES if minute in CAMPAIGN else 0),
            at_once=at_once[minute] * JOBS_OF_EACH,
        )


def _schedule(chance: random.Random, number: int) -> Schedule:
    lot, zone = chance.random(), chance.choice(_ZONES)
    wanted: dict[str, object]
    if lot < 0.25:
        minutes = chance.choice((5, 15, 30, 60))
        phase = timedelta(seconds=chance.choice((0, chance.randrange(60 * minutes))))
        wanted = {"every": timedelta(minutes=minutes), "phase": phase}
    elif lot < 0.45:
        wanted = {"cron": f"{chance.choice(('0', '*/30', '*/15', str(number % 60)))} * * * *"}
    else:
        minute = chance.choice(("0", "0", "30", str(number % 60)))
        wanted = {"cron": f"{minute} {chance.choice(_HOURS)} * * *", "timezone": zone}
    return Schedule(accepted_at=DATE - timedelta(days=1), seed=str(number), **wanted)  # type: ignore[arg-type]


def _count(schedule: Schedule, fires: list[int], at_once: list[int]) -> None:
    at = DATE - timedelta(microseconds=1)
    counts = fires if schedule.phase else at_once
    while (found := next_fire_time(schedule, after=at)) is not None:
        minute = (found - DATE) // timedelta(minutes=1)
        if minute >= MINUTES:
            return
        counts[minute] += 1
        at = found


def _requests(minute: int, chance: random.Random) -> int:
    awake = max(0.0, math.sin(math.pi * (minute / 60 - 6) / 14)) if 360 <= minute <= 1_200 else 0.0
    busy = 60 * (0.2 * PEOPLE * awake + SERVICES)
    return round(busy * chance.uniform(0.9, 1.1))


def main() -> None:
    """Write the made-up day."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(Minute.__struct_fields__)
    lines.writerows(map(msgspec.structs.astuple, made_up_day()))


if __name__ == "__main__":
    main()
