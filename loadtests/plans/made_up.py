"""Made-up services with their jobs and runs, as lines for COPY: the same for the same numbers."""

import random
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

from msgspec import Struct

from domain.filters.search_index import terms_of
from domain.ids import EPOCH, run_id
from domain.schedules.schedule import Schedule
from domain.targets.kinds.http import HttpTarget
from storage.jobs.rows import encode, encode_schedule

SEED = 20_261_124
GIANT, LARGE = 5, 45
"""So many services have half of all jobs, and so many more nearly a quarter."""
_GIANT_SHARE, _LARGE_SHARE = 0.5, 0.225
_YEAR = timedelta(days=365)
_DAY_SECONDS = 86_400
_NONE = r"\N"


def words(text: str) -> tuple[str, ...]:
    """The words of a text, apart."""
    return tuple(text.split())


_VERBS = words("""
    send sync build check import export rotate purge renew bill poll warm archive
""")
_NOUNS = words("""
    invoices report backup index cache certificates sessions metrics orders payouts feeds
    mailings ledger thumbnails quotas
""")
_PLACES = words("""
    eu us apac de fr uk br in jp ca
""")
_TAGS = words("""
    billing reports nightly hourly critical low-priority team-red team-blue team-green
    team-ops customer internal pii batch canary
""")
_RARE_TAGS = 200
_SENTENCES = (
    "Keeps what customers see up to date.",
    "Asked for by finance; ask them before you change it.",
    "Runs after the warehouse has closed.",
    "Retries are safe, the target knows what it has seen.",
    "",
)
_SCHEDULES = ({"every": timedelta(minutes=1)}, {"cron": "0 3 * * *"}, {"cron": "*/15 * * * *"})
_TAIL = '{"max_attempts":5}\t{}'


class MadeUpService(Struct, frozen=True, kw_only=True):
    """Attributes:
    number: From 0, the largest first.
    """

    number: int
    jobs: int

    @property
    def id(self) -> UUID:
        """Its id."""
        return UUID(int=random.Random(SEED + self.number).getrandbits(128), version=4)

    @property
    def name(self) -> str:
        """Its name."""
        return f"{_NOUNS[self.number % len(_NOUNS)]}-{self.number}"

    def job_id(self, number: int) -> UUID:
        """The id of one of its jobs; they were made in the order of their numbers."""
        made = datetime(2025, 11, 1, tzinfo=UTC) + _YEAR * (number / self.jobs)
        milliseconds = (made - EPOCH) // timedelta(milliseconds=1)
        tail = (self.number << 40) + number
        return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | tail)


def services_of(jobs: int, count: int) -> list[MadeUpService]:
    """Some giants, some large ones, and many that are small."""
    shares = [_GIANT_SHARE / GIANT] * GIANT + [_LARGE_SHARE / LARGE] * LARGE
    rest = max(count - len(shares), 1)
    shares += [(1 - sum(shares)) / rest] * rest
    ends = [round(jobs * end) for end in accumulate(shares[:count])]
    ends[-1] = jobs
    return [
        MadeUpService(number=number, jobs=end - start)
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]


def job_lines(service: MadeUpService, number: int, now: datetime) -> tuple[str, str]:
    """A job's lines for `jobs` and for `listings`."""
    chance = random.Random(f"{service.number} {number}")
    job_id = service.job_id(number)
    verb, noun, place = chance.choice(_VERBS), chance.choice(_NOUNS), chance.choice(_PLACES)
    name = f"{verb}-{noun}-{place}-{number}"
    description = f"{verb.capitalize()}s {noun} of {place}. {chance.choice(_SENTENCES)}"
    rare = f"customer-{chance.randrange(_RARE_TAGS)}"
    tags = [*chance.sample(_TAGS, chance.randrange(4)), rare]
    host = f"{noun}.{place}{chance.randrange(20)}.example"
    target = HttpTarget(url=f"https://{host}/{verb}")
    updated = now - timedelta(seconds=chance.randrange(300 * _DAY_SECONDS))
    lot = chance.random()
    paused, ended = lot < 0.03, 0.03 <= lot < 0.25
    upcoming = (now + timedelta(days=2, seconds=chance.randrange(_DAY_SECONDS))).isoformat()
    fires = _NONE if paused or ended else upcoming
    schedule = encode_schedule(
        Schedule(accepted_at=updated, seed=str(job_id), **chance.choice(_SCHEDULES))
    )
    at = updated.isoformat()
    job = (
        f"{service.id}\t{job_id}\t{name}\t{description}\t{_array(tags)}\t{_escaped(schedule)}"
        f"\t{encode(target).decode()}\t{_TAIL}\t{paused}\t{fires}\t{fires}\t{at}\t{{}}\t1\t{at}"
        f"\t{at}\n"
    )
    terms = terms_of(service.id, name=name, description=description, tags=tags, target=target)
    quoted = " ".join(f"'{term}'" for term in terms)
    listing = f"{service.id}\t{job_id}\t{quoted}\t{at}\n"
    return job, listing


def run_lines(
    made: list[MadeUpService], day: datetime, count: int, chance: random.Random
) -> Iterator[str]:
    """Lines for `runs` of a day: some jobs have many, most have few."""
    ends = list(accumulate(service.jobs for service in made))
    ids = {service.number: service.id for service in made}
    for _ in range(count):
        at = chance.random() * ends[-1]
        service = made[bisect(ends, at)]
        if service.jobs:
            number = int(service.jobs * chance.random() ** 3)
            yield _run_line(service, ids[service.number], number, day, chance)


def _run_line(
    service: MadeUpService, service_id: UUID, number: int, day: datetime, chance: random.Random
) -> str:
    job_id = service.job_id(number)
    scheduled = day + timedelta(seconds=chance.random() * _DAY_SECONDS)
    lot = chance.random()
    state = "succeeded"
    if lot < 0.025:
        state = "failed"
    elif lot < 0.035 and service.number:  # the largest service has none
        state = "skipped_overlap" if lot < 0.03 else "cancelled"
    trigger = "schedule" if chance.random() < 0.98 else "manual"
    at = scheduled.isoformat()
    return (
        f"{service_id}\t{job_id}\t{at}\t{run_id(job_id, scheduled)}\t{at}\t{trigger}\t{state}\tf\t1"
        f"\t{at}\t{at}\t1.5\t{state == 'failed'}\n"
    )


def _array(values: list[str]) -> str:
    return "{" + ",".join(values) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")
