"""When the minute clock ticked last, in Redis: the clock knows no other server."""

from __future__ import annotations

from redis import Redis

from storage.redis.memory import ALWAYS

_KEY = "tocsin:clock-tick"
_NOTE = f"{ALWAYS}redis.call('SET', KEYS[1], ARGV[1])"


def note_tick(client: Redis, at: float) -> None:
    """Keep the instant of a tick, in seconds since 1970.

    Raises:
        redis.RedisError: When Redis is away.
    """
    client.eval(_NOTE, 1, _KEY, repr(at))


def last_tick(client: Redis) -> float | None:
    """The last one that was kept.

    Raises:
        redis.RedisError: When Redis is away.
    """
    kept = client.get(_KEY)
    return None if kept is None else float(kept)
