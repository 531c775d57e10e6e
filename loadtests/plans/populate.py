"""Fill a database with many jobs and runs of many services, the same ones every time.

What is loaded is committed step by step: when it is interrupted, the next start goes on.
"""

import argparse
import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import asyncpg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loadtests.plans.made_up import SEED, MadeUpService, job_lines, run_lines, services_of, words
from storage.postgres.pools import Database
from storage.schema.migrate import migrate
from storage.schema.partitions import PARTITIONED

JOBS, RUNS, SERVICES, DAYS = 1_000_000, 10_000_000, 1_000, 30
JOBS_AT_ONCE, LINES_AT_ONCE = 20_000, 2_000
DAY = timedelta(days=1)
JOB_FIELDS = words("""
    service_id id name description tags schedule target retry catchup paused next_fire_for
    next_claim_at accounted_to claimed_for version created_at updated_at
""")
LISTING_FIELDS = words("service_id id terms updated_at")
RUN_FIELDS = words("""
    service_id job_id scheduled_for id due_at trigger state open attempt_count started_at
    finished_at lateness_ms failed
""")
# A job's number leaves this byte of its id at 0 (loadtests/plans/made_up.py); that of a copy is its own.
_COPY = """
INSERT INTO {table} (service_id, id, {others})
SELECT service_id, encode(set_byte(uuid_send(id), 12, $1), 'hex')::uuid, {others}
FROM {table} WHERE get_byte(uuid_send(id), 12) = 0
"""
_BY_TERM = "CREATE INDEX listings_by_term ON listings USING gin (terms) WITH (fastupdate = off)"


class Loader:
    """Loads in steps, each of which is done once.

    Args:
        today: The last day that has runs; whoever goes on later must give the same.
    """

    def __init__(self, driver: asyncpg.Connection, today: datetime, progress: Progress) -> None:
        self._driver = driver
        self._today = today
        self._progress = progress

    async def load(self, jobs: int, runs: int, services: int, copies: int = 1) -> None:
        """Load all that is missing, and let Postgres look at it.

        Args:
            copies: How often each job is stored, each time with an id of its own; Postgres copies
                jobs several times as fast as they are made up.
        """
        await self._driver.execute("CREATE TABLE IF NOT EXISTS populated (step text PRIMARY KEY)")
        await self._driver.execute("SET maintenance_work_mem = '1GB'")
        made = services_of(jobs, services)
        await self._load_jobs(made, jobs, copies)
        await self._load_runs(made, runs)
        for table in ("services", "jobs", "listings", *PARTITIONED):
            await self._driver.execute(f"VACUUM ANALYZE {table}")

    async def _load_jobs(self, made: list[MadeUpService], count: int, copies: int) -> None:
        task = self._progress.add_task("jobs", total=count)
        # An index of words is built in a fraction of the time that it takes to add to it.
        if not await self._is_done("words"):
            await self._driver.execute("DROP INDEX IF EXISTS listings_by_term")
        for service in made:
            for first in range(0, service.jobs, JOBS_AT_ONCE):
                numbers = range(first, min(first + JOBS_AT_ONCE, service.jobs))
                step = f"jobs {service.number} {first}"
                if not await self._is_done(step):
                    await self._load_some_jobs(service, numbers, step)
                self._progress.update(task, advance=len(numbers))
        for number in range(1, copies):
            await self._copy_jobs(number)
        if not await self._is_done("words"):
            async with self._driver.transaction():
                await self._driver.execute(_BY_TERM)
                await self._done("words")

    async def _load_some_jobs(self, service: MadeUpService, numbers: range, step: str) -> None:
        async with self._driver.transaction():
            await self._driver.execute(
                "INSERT INTO services VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                *(service.id, service.name, ["whsec_" + "A" * 32], self._today),
            )
            lines = [job_lines(service, number, self._today) for number in numbers]
            await self._copy("jobs", JOB_FIELDS, (job for job, _ in lines))
            await self._copy("listings", LISTING_FIELDS, (listing for _, listing in lines))
            await self._done(step)

    async def _copy_jobs(self, number: int) -> None:
        step = f"copy {number}"
        if await self._is_done(step):
            return
        async with self._driver.transaction():
            for table, fields in (("jobs", JOB_FIELDS), ("listings", LISTING_FIELDS)):
                others = ", ".join(name for name in fields if name not in {"service_id", "id"})
                await self._driver.execute(_COPY.format(table=table, others=others), number)
            await self._done(step)

    async def _load_runs(self, made: list[MadeUpService], count: int) -> None:
        task = self._progress.add_task("runs", total=count)
        for number in range(DAYS):
            day = self._today - number * DAY
            of_day = count // DAYS + (number < count % DAYS)
            if not await self._is_done(f"runs {number}"):
                await self._load_day(made, number, day, of_day)
            self._progress.update(task, advance=of_day)

    async def _load_day(
        self, made: list[MadeUpService], number: int, day: datetime, count: int
    ) -> None:
        lines = run_lines(made, day, count, random.Random(SEED + number))
        name = f"runs_{day:%Y%m%d}"
        async with self._driver.transaction():
            if await self._driver.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
                await self._copy("runs", RUN_FIELDS, lines)
            else:
                await self._driver.execute(
                    f"CREATE TABLE {name} (LIKE runs INCLUDING DEFAULTS INCLUDING GENERATED)"
                    " WITH (fillfactor = 60)"
                )
                await self._copy(name, RUN_FIELDS, lines)
                # This builds all indexes.
                await self._driver.execute(
                    f"ALTER TABLE runs ATTACH PARTITION {name}"
                    f" FOR VALUES FROM ('{day.isoformat()}') TO ('{(day + DAY).isoformat()}')"
                )
            await self._done(f"runs {number}")

    async def _copy(self, table: str, columns: tuple[str, ...], lines: Iterable[str]) -> None:
        await self._driver.copy_to_table(
            table, source=_chunks(iter(lines)), columns=list(columns), format="text"
        )

    async def _is_done(self, step: str) -> bool:
        return bool(await self._driver.fetchval("SELECT 1 FROM populated WHERE step = $1", step))

    async def _done(self, step: str) -> None:
        await self._driver.execute("INSERT INTO populated VALUES ($1)", step)


async def populate(
    url: str, *, jobs: int, runs: int, services: int, today: datetime, copies: int = 1
) -> None:
    """Migrate the database, and load into it what it lacks."""
    database = Database(url)
    await migrate(database, today)
    await database.close()
    driver = await asyncpg.connect(url, timeout=60, command_timeout=None)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    try:
        with Progress(*columns, TimeRemainingColumn()) as progress:
            await Loader(driver, today, progress).load(jobs, runs, services, copies)
    finally:
        await driver.close()


def midnight(now: datetime) -> datetime:
    """The beginning of a day."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def _chunks(lines: Iterator[str]) -> AsyncIterator[bytes]:
    while chunk := "".join(islice(lines, LINES_AT_ONCE)):
        yield chunk.encode()
        await asyncio.sleep(0)


def main() -> None:
    """Populate from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.plans.populate")
    parser.add_argument("--url", default=os.environ.get("TOCSIN_PRIMARY_URL"), help="the primary")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--services", type=int, default=SERVICES)
    chosen = parser.parse_args()
    if not chosen.url:
        parser.error("give --url, or set TOCSIN_PRIMARY_URL")
    asyncio.run(
        populate(
            chosen.url,
            jobs=chosen.jobs,
            runs=chosen.runs,
            services=chosen.services,
            today=midnight(datetime.now(UTC)),
        )
    )


if __name__ == "__main__":
    main()
