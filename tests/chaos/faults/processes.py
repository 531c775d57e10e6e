"""Processes that die, stand still, run out of memory, or tell the wrong time."""

from __future__ import annotations

import os
import random
import signal
import time
from datetime import timedelta

import psutil

from tests.chaos.crowd import Member
from tests.chaos.scene import AWAY, Scene

GONE_SECONDS = (0.1, 3.0)
STILL_SECONDS = (1.0, 20.0)
STILL_IN_CLAIM_SECONDS = (14.0, 20.0)
"""Longer than it may cost."""
CLAIM_TRIES = 400
CLAIM_SECONDS = 30.0
"""It stands still while Postgres is asked, which may be slow to answer."""
SPARE_BYTES = 2 << 20
SHIFTS = (0.5, -0.5, 0.9, -0.9, 3.0, -3.0, 10.0, -10.0, 30.0, -30.0, 120.0, -120.0)
CLOCK_SECONDS = (4.0, 20.0)
STARTED_SECONDS = 2.0

_IN_TRANSACTION = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity WHERE client_port = ANY ($1::int[])
        AND xact_start IS NOT NULL AND state IN ('idle in transaction', 'active')
        AND (query LIKE '%FOR UPDATE OF jobs%' OR query LIKE '%INSERT INTO runs%'
            OR query LIKE '%UPDATE jobs%')
)
"""


def kill(scene: Scene, chance: random.Random) -> str:
    """SIGKILL one, and start it again a moment later."""
    member = chance.choice(scene.crowd.members)
    with member.lock:
        if member.is_alive:
            member.end(signal.SIGKILL)
        scene.last(chance.uniform(*GONE_SECONDS))
        member.start()
    return member.name


def term(scene: Scene, chance: random.Random) -> str:
    """Have one end in order, and start it again."""
    member = chance.choice(scene.crowd.members)
    with member.lock:
        end_in_order(member)
    return member.name


def end_in_order(member: Member) -> None:
    """Have one end, and start it again, even if it does not end in time."""
    try:
        if member.is_alive:
            member.end(signal.SIGTERM)
    finally:
        member.start()


def stop(scene: Scene, chance: random.Random) -> str:
    """SIGSTOP one for a while."""
    member = chance.choice(scene.crowd.members)
    with member.lock:
        _stand_still(scene, member, chance.uniform(*STILL_SECONDS))
    return member.name


def stop_in_claim(scene: Scene, chance: random.Random) -> str:
    """SIGSTOP a dispatcher while it has jobs locked."""
    member = chance.choice(scene.crowd.of("dispatcher"))
    with member.lock:
        caught = member.is_alive and _caught_in_claim(scene, member)
        if member.is_alive:
            seconds = chance.uniform(*STILL_IN_CLAIM_SECONDS) if caught else 0.0
            _stand_still(scene, member, seconds)
    return f"{member.name}, {'with jobs locked' if caught else 'not caught'}"


def starve(scene: Scene, chance: random.Random) -> str:
    """Give a worker no further memory for a while; it may die of that."""
    member = chance.choice(scene.crowd.of("worker"))
    with member.lock:
        if not member.is_alive:
            return f"{member.name}, which was away"
        process = psutil.Process(member.pid)
        used = process.memory_info().vms
        member.stopped_by_us = True
        process.rlimit(psutil.RLIMIT_AS, (used + SPARE_BYTES, resource_hard(process)))
        scene.last(chance.uniform(3.0, 10.0))
        if member.is_alive:
            process.rlimit(psutil.RLIMIT_AS, (resource_hard(process), resource_hard(process)))
            member.fed_at = time.monotonic()
            scene.last(STARTED_SECONDS)
        died = not member.is_alive
        if died:
            member.start()
        member.stopped_by_us = False
    return f"{member.name}, which {'died' if died else 'lived'}"


def shift_clock(scene: Scene, chance: random.Random) -> str:
    """Step the clock of one process that is not the API, and back."""
    member = chance.choice(scene.crowd.of("dispatcher", "worker", "clock"))
    shift = chance.choice(SHIFTS)
    if not member.has_clock:
        return "nobody: there is no C compiler"
    member.clock.step(timedelta(seconds=shift))
    scene.last(chance.uniform(*CLOCK_SECONDS))
    member.clock.step(timedelta())
    return f"{member.name} by {shift:+g} s"


def resource_hard(process: psutil.Process) -> int:
    """The bound that a process may have at most."""
    return int(process.rlimit(psutil.RLIMIT_AS)[1])


def _stand_still(scene: Scene, member: Member, seconds: float) -> None:
    if not member.is_alive:
        return
    os.kill(member.pid, signal.SIGSTOP)
    scene.last(seconds)
    if member.is_alive:
        os.kill(member.pid, signal.SIGCONT)


def _caught_in_claim(scene: Scene, member: Member) -> bool:
    """Stop it again and again until Postgres says that it is within a claim."""
    deadline = time.monotonic() + CLAIM_SECONDS
    for _ in range(CLAIM_TRIES):
        os.kill(member.pid, signal.SIGSTOP)
        if _has_jobs_locked(scene, member):
            return True
        os.kill(member.pid, signal.SIGCONT)
        time.sleep(0.02)
        if scene.over.is_set() or time.monotonic() > deadline:
            break
    return False


def _has_jobs_locked(scene: Scene, member: Member) -> bool:
    ports = [
        one.laddr.port
        for one in psutil.Process(member.pid).net_connections()
        if one.raddr and one.raddr.port == scene.servers.primary.port
    ]
    try:
        if not scene.execute(_IN_TRANSACTION, ports)[0][0]:
            return False
        time.sleep(0.02)  # what was active has run to its end
        return bool(scene.execute(_IN_TRANSACTION, ports)[0][0])
    except AWAY:
        return False  # the primary is away
