"""How targets are rung: a module for each kind, named like its type, with a function `ringer`."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import Protocol

import dramatiq
from msgspec import Struct

from commands.firing.take_runs import TakenRun
from domain.targets import KINDS, Allowed
from storage.crypto.encryption_keys import EncryptionKeys
from workers.targets.answer import Answer
from workers.targets.http.transport import Transport
from workers.targets.secrets import Secrets, Unreadable, failed


class Ringer(Protocol):
    """What a kind of target is rung by."""

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer:
        """Make one attempt; every way it can end is an answer, never an exception."""

    async def close(self) -> None:
        """Close connections and end threads."""


class Means(Struct, frozen=True, kw_only=True):
    """What ringers are made from.

    Attributes:
        broker: Where actors are registered.
        allowed: What the operator allows targets to be.
        transport: How HTTP requests are made.
        keys: What signing secrets are encrypted with.
    """

    broker: dramatiq.Broker
    allowed: Allowed
    transport: Transport
    keys: EncryptionKeys


class Targets:
    """Rings whatever a run's target is. Make it inside the event loop that uses it."""

    def __init__(self, means: Means, secrets: Secrets) -> None:
        self._secrets = secrets
        self._ringers: dict[type, Ringer] = {
            kind: import_module(f"{__name__}.{name}").ringer(means) for name, kind in KINDS.items()
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
