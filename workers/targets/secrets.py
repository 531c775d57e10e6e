"""The values of secrets, read when a target that refers to them is rung."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from cachetools import LRUCache

from commands.firing.take_runs import TakenRun
from domain.errors import Invalid
from domain.runs.run import Outcome
from domain.targets import secret_names
from storage.crypto.encryption_keys import EncryptionKeys, Sealed, Undecipherable
from storage.postgres.batches import Batches
from storage.postgres.pools import UNREACHABLE, Database
from storage.services.secrets import associated_data_of, sealed_values
from workers.targets.answer import Answer
from workers.targets.mask import Mask

KEPT_SECONDS = 4.0
KEPT_VALUES = 2_048
_READ_SECONDS = 5.0

Key = tuple[UUID, str]


class Unreadable(Exception):
    """A value that the target needs cannot be read; the text names the secret, not the value."""


class Secrets:
    """Decrypts values, and keeps 2,048 of them for 4 s at most.

    Args:
        keys: The keys that values are encrypted with.
        kept_seconds: How long a value is used after it was read.
    """

    def __init__(
        self, database: Database, keys: EncryptionKeys, *, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        self._kept_seconds = kept_seconds
        self._database = database
        self._ring = keys
        self._kept: LRUCache[Key, str] = LRUCache(KEPT_VALUES)
        self._rows: Batches[Key, Sealed | None] = Batches(self._read)

    async def fill_in(self, run: TakenRun) -> tuple[TakenRun, Mask]:
        """The run with values in place of its target's references, and a mask that hides them.

        Raises:
            Unreadable: When a value cannot be read.
        """
        try:
            async with asyncio.timeout(_READ_SECONDS):
                values = await self._values(run.service_id, secret_names(run.target))
            return _with_secrets(run, values), Mask(values.values())
        except Invalid as error:
            raise Unreadable(error.detail) from None
        except Undecipherable as error:
            raise Unreadable(str(error)) from None
        except UNREACHABLE:  # TimeoutError is one
            raise Unreadable("The secrets of the target could not be read in time.") from None

    async def _values(self, service_id: UUID, names: Collection[str]) -> dict[str, str]:
        found = await asyncio.gather(*(self._value((service_id, name)) for name in names))
        return dict(zip(names, found, strict=True))

    async def _value(self, key: Key) -> str:
        value = self._kept.get(key)
        if value is not None:
            return value
        loop = asyncio.get_running_loop()
        now = loop.time()
        sealed = await self._rows.answer(key)
        if sealed is None:
            raise Unreadable(f"There is no secret {key[1]!r}.")
        value = self._ring.open(sealed, associated_data_of(*key))
        self._kept[key] = value
        # Counted from before the read: after a change, the old value is used no longer than that.
        loop.call_at(now + self._kept_seconds, self._kept.pop, key, None)
        return value

    async def _read(self, keys: list[Key]) -> Mapping[Key, Sealed | None]:
        async with self._database.driver() as driver:
            return await sealed_values(driver, keys)


def failed(error: Unreadable) -> Answer:
    """The end of an attempt whose target could not be completed."""
    return Answer(outcome=Outcome.FAILED, error=str(error))


def _with_secrets(run: TakenRun, values: Mapping[str, str]) -> TakenRun:
    return msgspec.structs.replace(run, target=run.target.with_secrets(values))
