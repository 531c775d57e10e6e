"""The primary: is it there, does it keep what it confirms, is there room, is the schema right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from app.doctor.finding import Finding, fail, ok, warn
from queries.operations.diagnose import ServerFacts, days_ahead
from storage.schema.migrate import newest_revision
from storage.schema.partitions import DAYS_AHEAD

OLDEST_VERSION = 15
POOLS = 3
OTHERS_POOL_SIZE = 6
"""Of dispatchers and workers (workers/main.py)."""
SPARED = 0.8
"""Of all connections; the rest is for replication, operators and people (k8s/README.md)."""


def judge_server(name: str, facts: ServerFacts) -> Finding:
    """The version of a server that answers."""
    version = facts.settings["server_version"].split()[0]
    if int(facts.settings["server_version_num"]) < OLDEST_VERSION * 10_000:
        return fail(name, f"PostgreSQL {version}", f"Upgrade it to {OLDEST_VERSION} or newer.")
    return ok(name, f"PostgreSQL {version}")


def judge_durability(facts: ServerFacts, *, replicas: bool) -> Iterator[Finding]:
    """Whether what was confirmed to a client is still there after a crash."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if facts.settings[name] == "off":
            yield fail(name, "off", f"Set {name} = on: a crash loses jobs that were accepted.")
        else:
            yield ok(name, facts.settings[name])
    if replicas and not facts.settings["synchronous_standby_names"]:
        yield warn(
            "synchronous_standby_names",
            "no replica is synchronous",
            "A primary that is lost for good takes its last commits along; name a replica.",
        )


def judge_connections(
    facts: ServerFacts, living: Mapping[str, int], pool_size: int
) -> Iterator[Finding]:
    """Whether all pools, filled, find connections: the arithmetic of k8s/README.md."""
    most = int(facts.settings["max_connections"])
    others = sum(living.values()) * (POOLS * OTHERS_POOL_SIZE + 1)
    of_api = POOLS * pool_size + 1
    room = int((most * SPARED - others) // of_api)
    said = (
        f"max_connections {most}; {sum(living.values())} dispatchers and workers take up to"
        f" {others}, which leaves {max(room, 0)} API processes up to {of_api} each"
    )
    advice = "Raise max_connections, or lower TOCSIN_POOL_SIZE."
    if room < 1:
        yield fail("connections", said, advice)
    elif room < 2:
        yield warn("connections", said, advice + " An upgrade needs room for one more.")
    else:
        yield ok("connections", said)
    if facts.connections > most * 0.9:
        yield warn(
            "connections in use", f"{facts.connections} of {most}", "Look at pg_stat_activity."
        )


def judge_schema(revision: str | None) -> Finding:
    """Whether the tables are those of this version, or newer."""
    needed = newest_revision()
    if revision is None:
        return fail("schema", "there are no tables", "Run `tocsin migrate`.")
    if revision < needed:
        said = f"at {revision}; this version needs {needed}"
        return fail("schema", said, "Run `tocsin migrate`; until then, processes of it wait.")
    return ok("schema", f"at {revision}" + ("" if revision == needed else ", newer than this"))


def judge_partitions(last: Mapping[str, date | None], today: date) -> Finding:
    """Whether the days to come have their partitions."""
    ahead = {table: days_ahead(day, today) for table, day in last.items()}
    table, least = min(ahead.items(), key=lambda one: one[1])
    advice = "The clock and a worker make them each hour, and `tocsin migrate` at once."
    if least < 1:
        day = "today" if least < 0 else "tomorrow"
        return fail("partitions", f"{table} has none for {day}", advice)
    if least < DAYS_AHEAD - 1:
        return warn("partitions", f"{table} has them for {least} days ahead", advice)
    return ok("partitions", f"for {least} days ahead")


def judge_overrunning(count: int) -> Finding:
    """Whether runs ring that should have ended: their jobs may wait for them."""
    if count:
        said = f"{count} ring longer than their time-out allows"
        return fail("runs", said, "Read the workers' logs, and start anew the worker they are in.")
    return ok("runs", "none rings longer than its time-out allows")
