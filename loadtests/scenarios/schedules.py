"""Schedules: what the next fire time costs, over 10,000 of all kinds."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from domain.errors import Invalid
from domain.schedules.checks import check_schedule
from domain.schedules.fire_times import next_fire_time
from domain.schedules.kinds import Spec
from domain.schedules.schedule import Exclusion, Schedule
from loadtests.compare.figures import Figure, Measured, spread_figures
from loadtests.measures.latency import spread_of

SCHEDULES = 10_000
SEED = 20_261_124
BAR_MS = 1.0
NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
ZONES = (
    "UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
    "America/St_Johns", "Pacific/Apia", "Asia/Tehran", "Asia/Kathmandu", "Africa/Cairo",
    "America/Sao_Paulo", "Europe/Paris",
)  # fmt: skip
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def measure() -> Measured:
    """Ask each schedule for its next fire time at a random instant of its own."""
    chance = random.Random(SEED)
    corpus = [varied(chance) for _ in range(SCHEDULES)]
    asked = [NOW + timedelta(seconds=chance.uniform(0, 5 * 365 * 86_400)) for _ in corpus]
    for schedule in corpus:  # parsed once, as a dispatcher has most of them
        next_fire_time(schedule, after=NOW)
    took, answered = [], 0
    for schedule, after in zip(corpus, asked, strict=True):
        began = time.process_time_ns()
        answered += next_fire_time(schedule, after=after) is not None
        took.append((time.process_time_ns() - began) / 1e6)
    spread = spread_of(took)
    p50, p99, most = spread_figures("schedules", "next fire time, CPU", spread)
    return Measured(
        figures=[
            p50,
            Figure("schedules", p99.name, p99.value, p99.unit, bar=BAR_MS),
            most,
            Figure("schedules", "that fire again", 100 * answered / SCHEDULES, "%"),
        ],
        problems=[],
        details={"next_fire_time_ms": spread},
    )


def varied(chance: random.Random) -> Schedule:
    """A valid schedule of some kind."""
    kinds: list[Callable[[random.Random], Schedule]] = [cron, cron, cron, rule, rule, every, union]
    while True:
        schedule = chance.choice(kinds)(chance)
        try:
            check_schedule(schedule)
        except Invalid:
            continue  # a 31 February, say
        return schedule


def cron(chance: random.Random) -> Schedule:
    """A cron expression of five to seven fields, with or without exclusions."""
    return scheduled(chance, cron=expression(chance), exclude=exclusions(chance))


def rule(chance: random.Random) -> Schedule:
    """A recurrence rule, from an old start."""
    return scheduled(chance, rrule=recurrence(chance), exclude=exclusions(chance))


def every(chance: random.Random) -> Schedule:
    """An interval with a phase."""
    interval = timedelta(seconds=chance.choice([1, 5, 30, 60, 90, 3_600, 25_200, 86_400]))
    return scheduled(chance, every=interval, phase=interval * chance.random() * 0.99)


def union(chance: random.Random) -> Schedule:
    """Several specs together."""
    specs = [Spec(cron=expression(chance)), Spec(rrule=recurrence(chance))]
    specs.append(Spec(every=timedelta(seconds=chance.randint(60, 86_400))))
    return scheduled(chance, specs=tuple(specs), exclude=exclusions(chance))


def scheduled(chance: random.Random, **fields: object) -> Schedule:
    """A schedule in some zone."""
    zone = chance.choice(ZONES)
    return Schedule(accepted_at=NOW, seed=str(chance.random()), timezone=zone, **fields)  # type: ignore[arg-type]


def expression(chance: random.Random) -> str:
    """A cron expression."""
    minute = chance.choice(["0", "*", "*/5", "H", "7,37", "10-50/7", str(chance.randint(0, 59))])
    hour = chance.choice(["*", "*/3", "9-17", "H(0-6)", "1", "2", str(chance.randint(0, 23))])
    day = chance.choice(["*", "*", "*", "1", "L", "15W", "*/2", "29", str(chance.randint(1, 31))])
    month = chance.choice(["*", "*", "*", "JAN,JUL", "2", "*/3"])
    weekday = chance.choice(["*", "*", "MON-FRI", "SUN", "FRI#3", "5L", "1"])
    fields = [minute, hour, day, month, weekday]
    if chance.random() < 0.2:
        fields.insert(0, chance.choice(["0", "30", "*/10"]))
        if chance.random() < 0.3:
            fields.append(chance.choice(["*", "2026-2040", "2028"]))
    return " ".join(fields)


def recurrence(chance: random.Random) -> str:
    """DTSTART and RRULE."""
    start = datetime(chance.choice([1970, 1999, 2020, 2026]), 1, chance.randint(1, 28), 9, 30)  # noqa: DTZ001
    frequency = chance.choice(
        ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]
    )
    parts = [f"FREQ={frequency}", f"INTERVAL={chance.choice([1, 1, 2, 3, 7, 45])}"]
    if frequency in ("YEARLY", "MONTHLY"):
        parts.append(f"BYDAY={chance.choice(['1MO', '-1FR', '2TU,4TU'])}")
    elif chance.random() < 0.5:
        parts.append("BYDAY=" + ",".join(sorted(set(chance.choices(WEEKDAYS, k=3)))))
    if chance.random() < 0.3:
        parts.append(f"BYMONTH={chance.randint(1, 12)}")
    if frequency in ("MINUTELY", "SECONDLY") and chance.random() < 0.5:
        parts.append("BYHOUR=8,9,10")
    return f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:" + ";".join(parts)


def exclusions(chance: random.Random) -> tuple[Exclusion, ...]:
    """Now and then, days or hours on which nothing fires."""
    if chance.random() < 0.7:
        return ()
    day = (NOW + timedelta(days=chance.randint(0, 700))).date()
    return (
        Exclusion(date=day),
        Exclusion(start=day + timedelta(days=3), end=day + timedelta(days=17)),
        Exclusion(cron=chance.choice(["* * * * SAT,SUN", "* 12-13 * * *", "* * 25 12 *"])),
    )
