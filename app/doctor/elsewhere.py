"""Replicas, Redis, clocks, and the processes that are to be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from app.doctor.finding import Finding, fail, ok, warn
from queries.operations.diagnose import WalPlace
from storage.jobs.zone_tables import OtherTables
from storage.postgres.clock_offset import MOST_OFFSET
from storage.postgres.heartbeats import MeasuredClock
from storage.redis.memory import CACHE_SHARE, Memory, memory_in

SKEW_TO_LOOK_AT, MOST_SKEW = 0.1, MOST_OFFSET.total_seconds()
LATE_SECONDS = 60.0
TICK_SECONDS = 150.0
OLDEST_REDIS = 7
FULL = 0.95
"""Beyond it, soon nothing is written but what must be."""
BEHIND_TO_LOOK_AT = 16 * 1024 * 1024
"""One segment of WAL."""


def judge_replica(
    name: str, place: WalPlace, goal: WalPlace, seconds: float, *, in_recovery: bool
) -> Finding:
    """Whether a replica follows.

    Args:
        place: How far it was after so many seconds.
        goal: How far the primary was at the beginning of them.
    """
    if not in_recovery:
        return warn(name, "takes writes: it is no replica", "Name replicas that follow.")
    if place.timeline < goal.timeline:
        return fail(
            f"{name} follows",
            f"on timeline {place.timeline}, the primary is on {goal.timeline}",
            "It did not follow the last fail-over and has other data: make it anew.",
        )
    behind = 0 if place >= goal else goal.bytes - place.bytes
    if behind <= 0:
        return ok(f"{name} follows", f"replayed all within {seconds * 1_000:.0f} ms")
    advice = "Look at pg_stat_replication on the primary; reads go elsewhere meanwhile."
    said = f"{behind} bytes behind after {seconds:.1f} s"
    judged = fail if behind > BEHIND_TO_LOOK_AT else warn
    return judged(f"{name} follows", said, advice)


def judge_redis(facts: Mapping[str, str | int | float]) -> Iterator[Finding]:
    """Version, and what might take messages away.

    Args:
        facts: What `INFO` says.
    """
    name = str(facts.get("server_name", "redis")).capitalize()
    yield ok("redis", f"{name} {facts.get('valkey_version') or facts.get('redis_version')}")
    yield judge_redis_version(str(facts.get("redis_version", "")))
    policy = facts.get("maxmemory_policy")
    if policy != "noeviction":
        yield fail(
            "maxmemory-policy",
            f"{policy}",
            "Set it to noeviction: messages that are evicted make runs late.",
        )
    else:
        yield ok("maxmemory-policy", "noeviction")
    yield judge_redis_memory(memory_in(dict(facts)))
    if not facts.get("aof_enabled"):
        yield ok("appendonly", "no: after a restart, what waited is handed over again by sweeps")
    elif facts.get("aof_last_write_status", "ok") != "ok":
        yield warn("appendonly", "its last write failed", "Look at the disk of Redis.")
    else:
        yield ok("appendonly", "yes")


def judge_redis_version(version: str) -> Finding:
    """Whether it knows scripts that run also when it is full; Valkey calls itself 7.2."""
    if int(version.partition(".")[0] or 0) < OLDEST_REDIS:
        return fail("redis version", version, f"Upgrade it to {OLDEST_REDIS}, or to Valkey.")
    return ok("redis version", f"as Redis {version}")


def judge_redis_memory(memory: Memory) -> Finding:
    """Whether it has a bound, and how near that is."""
    if not memory.most:
        return warn(
            "maxmemory",
            "none",
            "Set it below the memory of its host or pod: without it, that is killed when full.",
        )
    said = f"{memory.share:.0%} of {memory.most / 1024 / 1024:,.0f} MiB are in use"
    if memory.share >= FULL:
        return fail("maxmemory", said, "Raise it, or find out what fills it (redis-cli --bigkeys).")
    if memory.share >= CACHE_SHARE:
        return warn("maxmemory", said, "Raise it: nothing more is cached, so reads are slower.")
    return ok("maxmemory", said)


def judge_fencing(facts: Mapping[str, str | int | float]) -> Iterator[Finding]:
    """Whether a primary that Sentinels gave up stops taking writes.

    Args:
        facts: What `INFO` says; of a primary that needs no replica to write it says less.
    """
    if "min_slaves_good_slaves" in facts:
        yield ok("min-replicas-to-write", "set")
        return
    yield warn(
        "min-replicas-to-write",
        "0",
        "Set it to 1, with min-replicas-max-lag 3: a primary that is cut off while Sentinels choose"
        " another is told of commits that the others never see.",
    )


def judge_skew(server: str, skew: float, doubt: float) -> Finding:
    """Whether a server's clock and this machine's agree, as far as that can be told."""
    subject, sure = f"clock of {server}", max(abs(skew) - doubt, 0)
    said = f"{skew * 1_000:+.1f} ms against this machine's, ±{doubt * 1_000:.1f} ms"
    advice = "Have NTP set both: runs ring by the clock of the worker's machine."
    if sure > MOST_SKEW:
        return fail(subject, said, advice)
    if sure > SKEW_TO_LOOK_AT:
        return warn(subject, said, advice)
    return ok(subject, said)


def judge_clocks(clocks: Sequence[MeasuredClock]) -> Iterator[Finding]:
    """Whether the clocks of dispatchers and workers agree with the primary's, as each measured it.

    Args:
        clocks: The worst first.
    """
    wrong = [one for one in clocks if abs(one.offset_ms) > SKEW_TO_LOOK_AT * 1_000]
    for one in wrong:
        subject = f"clock of {one.kind} {one.pid} on {one.host}"
        said = f"{one.offset_ms:+} ms against the primary's"
        if abs(one.offset_ms) > MOST_SKEW * 1_000:
            advice = f"Have NTP set it: beyond {MOST_SKEW:g} s the process does nothing."
            yield fail(subject, said, advice)
        else:
            yield warn(subject, said, "Have NTP set it: runs ring by the clock of the worker.")
    if clocks and not wrong:
        yield ok("clocks of processes", f"within {abs(clocks[0].offset_ms)} ms of the primary's")


def judge_zones(
    version: str, of_jobs: str | None, others: Sequence[OtherTables]
) -> Iterator[Finding]:
    """Whether all reckon by the same tables of time zones, and jobs are reckoned by them.

    Args:
        version: Of this process's tables.
        of_jobs: The newest by which jobs are reckoned.
        others: Processes with others than this one's.
    """
    advice = "Deploy one version of Tocsin everywhere: processes name different fire times."
    for one in others:
        said = f"reckons by {one.tzdata or 'what its host has'}, and this one by {version}"
        yield warn(f"time zones of {one.kind} {one.pid} on {one.host}", said, advice)
    if of_jobs is None:
        advice = "Start `tocsin dispatcher`, which reckons them, or wait a moment."
        yield warn("time zones", f"tzdata {version}; jobs are not reckoned by it yet", advice)
    elif of_jobs != version:
        yield warn("time zones", f"tzdata {version} here, {of_jobs} of jobs", advice)
    else:
        yield ok("time zones", f"tzdata {version}, here and of jobs")


def judge_processes(living: Mapping[str, int]) -> Iterator[Finding]:
    """Whether the database hears of dispatchers and workers."""
    for kind, count in sorted(living.items()):
        if count:
            yield ok(f"{kind}s", f"{count} beat")
        else:
            yield fail(f"{kind}s", "none beats", f"Start `tocsin {kind}`, or read its log.")


def judge_tick(tick: float | None, now: datetime) -> Finding:
    """Whether the clock goes."""
    if tick is None:
        return warn("clock", "Redis knows of no tick", "Start `tocsin clock`, or wait a minute.")
    age = now.timestamp() - tick
    if age > TICK_SECONDS:
        return fail("clock", f"ticked {age:.0f} s ago", "Start `tocsin clock`, or read its log.")
    return ok("clock", f"ticked {max(age, 0):.0f} s ago")


def judge_lateness(
    unclaimed_since: datetime | None, untaken_since: datetime | None, now: datetime
) -> Iterator[Finding]:
    """Whether something has been due for long."""
    for kind, since in (("dispatcher", unclaimed_since), ("worker", untaken_since)):
        age = 0.0 if since is None else (now - since).total_seconds()
        said = f"the oldest that waits for a {kind}: {age:.1f} s"
        if age > LATE_SECONDS:
            yield warn("due", said, f"More `tocsin {kind}`, or see what holds them up.")
        else:
            yield ok("due", said)
