"""One connection to one Redis process, with a bound on how long anything may take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.asyncio import Connection
from redis.exceptions import OutOfMemoryError, RedisError

from storage.error_kinds import kind_of
from storage.postgres.batches import Batches
from storage.redis.servers import redis_pool

log = structlog.get_logger()
BUDGET_SECONDS = 0.25
"""What Redis may add to a request; without an answer by then, Postgres gives it."""
AWAY_SECONDS = 0.5
"""Redis is left alone for so long after it failed."""

Command = Sequence[Any]


class RedisAway(Exception):
    """Redis does not answer in time, or has failed just now."""


class RedisLink:
    """Sends commands, and knows to which process of Redis it speaks.

    A Redis that was started anew, or took over from another, may have forgotten the last writes
    while it remembers those before. So what one process was told is not asked of the next: its
    run id, the epoch, begins every key.

    Commands that come while others are under way go together, in one round trip: at many requests
    a second it is the system calls that Redis costs us.
    """

    def __init__(self, url: str) -> None:
        self._pool = redis_pool(url, BUDGET_SECONDS)
        self._connection: Connection | None = None
        self._epoch = ""
        self._calls: Batches[Callable[[str], Command], Any] = Batches(self._ask_all)
        self._away_until = 0.0

    async def call(self, command: Callable[[str], Command]) -> Any:
        """Redis's answer.

        Args:
            command: The command's words, given the epoch.

        Raises:
            RedisAway: When there is none within the budget, which begins when it is sent; or when
                this command is refused, since Redis is full.
        """
        answer = await self._calls.answer(command)
        if isinstance(answer, OutOfMemoryError):
            raise RedisAway(kind_of(answer)) from answer
        return answer

    async def ping(self) -> None:
        """Return when Redis answers.

        Raises:
            RedisAway: When it does not.
        """
        await self.call(lambda _: ("PING",))

    async def close(self) -> None:
        """End; what is still asked finds Redis away."""
        self._away_until = math.inf
        await self._disconnect()

    async def _ask_all(
        self, commands: list[Callable[[str], Command]]
    ) -> dict[Callable[[str], Command], Any]:
        clock = asyncio.get_running_loop().time
        if clock() < self._away_until:
            raise RedisAway("Redis has failed just now.")
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                connection = self._connection or await self._connect()
                answers = await _ask(connection, [command(self._epoch) for command in commands])
        except BaseException as error:
            # The next reply on this connection might be one that nobody waited for.
            await self._disconnect()
            if not isinstance(error, (RedisError, OSError)):
                raise
            self._away_until = max(self._away_until, clock() + AWAY_SECONDS)
            log.warning("redis.away", error=kind_of(error))
            raise RedisAway(kind_of(error)) from error
        return dict(zip(commands, answers, strict=True))

    async def _connect(self) -> Connection:
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            information: bytes
            [information] = await _ask(connection, [("INFO", "server")])
            if self._away_until == math.inf:
                raise RedisAway("It is not wanted any more.")
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        fields = dict(line.split(":", 1) for line in information.decode().split() if ":" in line)
        self._epoch = fields["run_id"][:12]
        self._connection = connection
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


async def _ask(connection: Connection, commands: Sequence[Command]) -> list[Any]:
    await connection.send_packed_command(connection.pack_commands(commands))
    return [await _answer(connection) for _ in commands]


async def _answer(connection: Connection) -> Any:
    try:
        return await connection.read_response()
    except OutOfMemoryError as error:
        return error  # of this command alone: whoever reads is answered
