"""Add an entry to a stream of a Redis that the operator names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from commands.firing.take_runs import TakenRun
from domain.errors import Invalid
from domain.runs.run import Outcome
from domain.targets.kinds.redis_stream import RedisStreamTarget, StreamServer
from storage.crypto.encryption_keys import EncryptionKeys, Undecipherable
from storage.redis.servers import redis_pool
from workers.targets.answer import Answer
from workers.targets.delivery import scheduled_for_of, traceparent_of
from workers.targets.http.signature import SigningSecrets, sign
from workers.targets.kinds import Means

CONNECTIONS = 16
"""To one server at once; further attempts wait, within their timeouts."""
CONNECT_SECONDS = 5.0
EMPTY_BODY = b"{}"
_CODE = re.compile(r"[A-Z]{2,20}\b")
_IN_TROUBLE = frozenset(
    {
        *("OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "BUSY"),
        *("MASTERDOWN", "CLUSTERDOWN", "WRONGPASS", "NOAUTH"),
    }
)
"""Refusals that are about the server, not about the entry: they count as failures of the target."""


class RedisStreamRinger:
    """Adds signed entries.

    Args:
        servers: By name.
        keys: What signing secrets are encrypted with.
    """

    def __init__(self, servers: Mapping[str, StreamServer], keys: EncryptionKeys) -> None:
        self._servers = servers
        self._signing_secrets = SigningSecrets(keys)
        self._clients: dict[str, Redis] = {}
        self._free = {name: asyncio.Semaphore(CONNECTIONS) for name in servers}

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer:
        """Make one attempt; every way it can end is an answer, never an exception."""
        target = cast("RedisStreamTarget", run.target)
        try:
            target.check(self._servers)  # the operator may have changed their mind
            secrets = self._signing_secrets.live(run.service_id, run.signing_secrets, started_at)
            fields = _fields(run, target, started_at, secrets)
            async with asyncio.timeout(target.timeout.total_seconds()), self._free[target.server]:
                entry_id = await self._add(target, fields)
        except TimeoutError:
            seconds = target.timeout.total_seconds()
            return Answer(outcome=Outcome.TIMED_OUT, error=f"No answer within {seconds:g} s.")
        except Invalid as error:
            return Answer(outcome=Outcome.FAILED, error=error.detail)
        except Undecipherable as error:
            return Answer(outcome=Outcome.FAILED, error=str(error))
        except (RedisError, OSError) as error:
            return _failed(error, target.server)
        return Answer(outcome=Outcome.SUCCEEDED, response_excerpt=entry_id.decode())

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.aclose()

    async def _add(self, target: RedisStreamTarget, fields: Mapping[str, bytes | str]) -> bytes:
        bound = () if target.max_length is None else ("MAXLEN", "~", target.max_length)
        pairs = [one for pair in fields.items() for one in pair]
        entry_id: bytes = await self._client(target.server).execute_command(  # type: ignore[no-untyped-call]
            "XADD", target.stream, *bound, "*", *pairs
        )
        return entry_id

    def _client(self, server: str) -> Redis:
        client = self._clients.get(server)
        if client is None:
            pool = redis_pool(self._servers[server].url, CONNECT_SECONDS)
            client = self._clients[server] = Redis.from_pool(pool)
        return client


def ringer(means: Means) -> RedisStreamRinger:
    """What rings this kind."""
    return RedisStreamRinger(means.allowed.redis_stream, means.keys)


def _fields(
    run: TakenRun, target: RedisStreamTarget, started_at: datetime, secrets: list[str]
) -> dict[str, bytes | str]:
    body = bytes(target.body) if isinstance(target.body, msgspec.Raw) else EMPTY_BODY
    run_id, timestamp = str(run.id), int(started_at.timestamp())
    return {
        "run_id": run_id,
        "job_id": str(run.job_id),
        "job_name": run.job_name,
        "attempt": str(run.number),
        "scheduled_for": scheduled_for_of(run),
        "timestamp": str(timestamp),
        "signature": sign(secrets, run_id, timestamp, body),
        "traceparent": traceparent_of(run),
        "body": body,
    }


def _failed(error: RedisError | OSError, server: str) -> Answer:
    """What is told names the server as its services know it: not its address, nor its users."""
    code = _code_of(error)
    if code is None:
        said = f"The Redis {server!r} could not be reached: {type(error).__name__}."
    else:
        said = f"The Redis {server!r} refused the entry: {code}."
    return Answer(outcome=Outcome.FAILED, error=said, at_fault=code is None or code in _IN_TROUBLE)


def _code_of(error: RedisError | OSError) -> str | None:
    """What the server calls its refusal; None if it refused nothing."""
    if isinstance(error, RedisError) and error.status_code is not None:
        return error.status_code  # redis-py knows it, and takes it out of the text
    if not isinstance(error, ResponseError):
        return None
    found = _CODE.match(str(error))
    return "ERR" if found is None else found[0]
