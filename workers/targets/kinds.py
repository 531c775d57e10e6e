"""The kinds of target that can be rung; a new one is registered here and in domain/targets."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

import dramatiq

from commands.take_runs import TakenRun
from domain.targets.actor import ActorTarget
from domain.targets.http import HttpTarget
from storage.key_ring import KeyRing
from workers.targets.actor import ActorRinger
from workers.targets.answer import Answer
from workers.targets.http import HttpRinger
from workers.targets.secrets import Secrets, Unreadable, failed
from workers.targets.transport import Transport


class Kind(Protocol):
    """What a kind of target is rung by."""

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer: ...
    async def close(self) -> None: ...


class Targets:
    """Rings whatever a run's target is. Make it inside the event loop that uses it."""

    def __init__(
        self,
        broker: dramatiq.Broker,
        *,
        actors: Collection[str],
        transport: Transport,
        secrets: Secrets,
        ring: KeyRing,
    ) -> None:
        self._secrets = secrets
        self._ringers: dict[type, Kind] = {
            HttpTarget: HttpRinger(transport, ring),
            ActorTarget: ActorRinger(broker, actors),
        }

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer:
        """Make one attempt."""
        ringer = self._ringers[type(run.target)]
        if not run.has_references:
            return await ringer.ring(run, started_at)
        try:
            complete, hidden = await self._secrets.fill_in(run)
        except Unreadable as error:
            return failed(error)
        return hidden(await ringer.ring(complete, started_at))

    async def close(self) -> None:
        """Let go of connections and threads."""
        for ringer in self._ringers.values():
            await ringer.close()
