"""Servers that die, forget, stand still, are full, or have nobody's turn left."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import asyncpg
from redis import Redis
from redis.exceptions import RedisError

from app.embedded.errors import EmbeddedServerError
from app.embedded.server import Server
from tests.chaos.faults.processes import end_in_order
from tests.chaos.scene import Scene

AWAY_SECONDS = (0.2, 6.0)
FULL_SECONDS = (3.0, 10.0)
TAKEN_SECONDS = (3.0, 10.0)
TAKEN_AT_ONCE = 20
MOST_CONNECTIONS = 300
LOST_BYTES = 64


class DoesNotComeBack(Exception):
    """A server that does not start any more after what was done to it."""


def kill_valkey(scene: Scene, chance: random.Random) -> str:
    """SIGKILL Valkey, and start it a moment later."""
    return _killed(scene, scene.servers.valkey, chance)


def stop_valkey(scene: Scene, chance: random.Random) -> str:
    """Stop Valkey in order."""
    scene.servers.valkey.stop()
    scene.last(chance.uniform(*AWAY_SECONDS))
    scene.servers.valkey.start()
    return "valkey, stopped"


def flush(scene: Scene, chance: random.Random) -> str:
    """Have Valkey forget everything."""
    try:
        with Redis.from_url(scene.servers.valkey.url) as redis:
            redis.flushall()
    except RedisError:
        return "valkey, which was away"
    return "valkey forgot all"


def damage_valkey(scene: Scene, chance: random.Random) -> str:
    """SIGKILL Valkey, and have its append-only file damaged, as by a page that was not written."""
    valkey = scene.servers.valkey
    valkey.kill()
    files = [one for one in _append_only(valkey.directory) if one.stat().st_size > 64]
    for file in files:
        with file.open("r+b") as written:
            written.seek(chance.randrange(0, file.stat().st_size - LOST_BYTES // 2))
            written.write(bytes(LOST_BYTES))
    try:
        valkey.start(timeout=15.0)
    except EmbeddedServerError as error:
        for file in _append_only(valkey.directory):
            file.unlink()
        valkey.start()
        raise DoesNotComeBack(f"valkey, its append-only file damaged: {error}") from error
    return f"valkey, {len(files)} files damaged"


def kill_primary(scene: Scene, chance: random.Random) -> str:
    """SIGKILL the primary."""
    with scene.primary_lock:
        return _killed(scene, scene.servers.primary, chance)


def restart_primary(scene: Scene, chance: random.Random) -> str:
    """Restart the primary in order; all connections are lost."""
    with scene.primary_lock:
        scene.servers.primary.restart()
    return "primary"


def quit_primary(scene: Scene, chance: random.Random) -> str:
    """Shut the primary down at once (SIGQUIT), and start it again."""
    with scene.primary_lock:
        primary = scene.servers.primary
        primary._process.send_signal(signal.SIGQUIT)  # type: ignore[union-attr]
        primary._process.wait(20)  # type: ignore[union-attr]
        scene.last(chance.uniform(*AWAY_SECONDS))
        primary.start()
    return "primary"


def kill_replica(scene: Scene, chance: random.Random) -> str:
    """SIGKILL the replica."""
    return _killed(scene, scene.servers.replica, chance)


def take_connections(scene: Scene, chance: random.Random) -> str:
    """Take all connections that the primary has, for a while."""
    taken = asyncio.run(_take_connections(scene, chance.uniform(*TAKEN_SECONDS)))
    return f"{taken} of the primary's"


def fill_data(scene: Scene, chance: random.Random) -> str:
    """Leave the servers no byte on their disk."""
    if not scene.data.can_fill:
        return "nothing: only root can mount a disk to fill"
    with scene.primary_lock:
        scene.data.fill()
        try:
            scene.last(chance.uniform(*FULL_SECONDS))
        finally:
            scene.data.free()
        for server in scene.servers.servers:
            if server.pid is None or not server.is_ready():
                server.restart()
    return "the servers' disk"


def fill_metrics(scene: Scene, chance: random.Random) -> str:
    """Leave no byte on the disk of the processes' metrics."""
    if not scene.metrics.can_fill:
        return "nothing: only root can mount a disk to fill"
    scene.metrics.fill()
    # Those that start now find no room for files of their own.
    member = chance.choice(scene.crowd.members)
    with member.lock:
        try:
            end_in_order(member)
            scene.last(chance.uniform(*FULL_SECONDS))
        finally:
            scene.metrics.free()
    return f"the metrics' disk; {member.name} was started on it"


def _killed(scene: Scene, server: Server, chance: random.Random) -> str:
    server.kill()
    scene.last(chance.uniform(*AWAY_SECONDS))
    server.start()
    return server.name


def _append_only(directory: Path) -> list[Path]:
    return [one for one in sorted((directory / "appendonlydir").iterdir()) if one.suffix == ".aof"]


async def _take_connections(scene: Scene, seconds: float) -> int:
    taken: list[asyncpg.Connection] = []
    try:
        while len(taken) < MOST_CONNECTIONS:
            asked = (
                asyncpg.connect(scene.servers.primary.url, timeout=5) for _ in range(TAKEN_AT_ONCE)
            )
            answers = await asyncio.gather(*asked, return_exceptions=True)
            taken += [one for one in answers if not isinstance(one, BaseException)]
            if any(isinstance(one, BaseException) for one in answers):
                break
        await asyncio.to_thread(scene.last, seconds)
    finally:
        for connection in taken:
            connection.terminate()
    return len(taken)
