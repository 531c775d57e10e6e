"""Idempotency keys in Postgres: key and answer are written in the command's own transaction.

Not in daily partitions: their unique keys would hold the day, and a request that is sent again
after midnight would not meet its key. Each answer that is kept lets go of some that are over.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg
import msgspec

from domain.access.idempotency import KEPT, Answer, Answered, Claim
from domain.errors import KeyInProgress, KeyReused
from storage.postgres.pools import Driver
from storage.sql import statement

FORGOTTEN_AT_ONCE = 2
"""More than one for one, so that the table shrinks again after a flood."""

_CLAIM = statement("idempotency/claim", wait="250ms")
_KEEP = statement("idempotency/keep", forgotten_at_once=FORGOTTEN_AT_ONCE)
_KNOWN = """
SELECT fingerprint, status, headers::text, body FROM idempotency_keys
WHERE service_id = $1 AND route = $2 AND key = $3 AND claimed_at > $4
"""

_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


async def claim_key(driver: Driver, service_id: UUID, claim: Claim) -> None:
    """Within a transaction: nobody else is done under the key until it ends.

    Raises:
        Answered: When the request was done before.
        KeyInProgress: When it is being done.
        KeyReused: When the key stands for another request.
    """
    try:
        mine = await _CLAIM.fetch(
            driver,
            service_id=service_id,
            route=claim.route,
            key=claim.key,
            fingerprint=claim.fingerprint,
            at=claim.at,
            free_from=claim.at - KEPT,
        )
    except asyncpg.LockNotAvailableError:
        raise KeyInProgress from None
    if mine:
        return
    await look_up(driver, service_id, claim)
    raise KeyInProgress  # its time was over meanwhile


async def look_up(driver: Driver, service_id: UUID, claim: Claim) -> None:
    """Return if nothing is known of a claim's key.

    Raises:
        Answered: When the request was done before.
        KeyReused: When the key stands for another request.
    """
    known = await driver.fetchrow(_KNOWN, service_id, claim.route, claim.key, claim.at - KEPT)
    if known is None:
        return
    if known["fingerprint"] != claim.fingerprint:
        raise KeyReused
    headers = _decode_headers(known["headers"])
    raise Answered(Answer(status=known["status"], headers=headers, body=known["body"]))


async def keep_answer(driver: Driver, service_id: UUID, claim: Claim, answer: Answer) -> None:
    """Within the transaction that has claimed the key: the answer is kept if that commits."""
    await _KEEP.execute(
        driver,
        service_id=service_id,
        route=claim.route,
        key=claim.key,
        status=answer.status,
        headers=msgspec.json.encode(answer.headers).decode(),
        body=answer.body,
        free_from=claim.at - KEPT,
    )
