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
from storage.postgres import Driver

LET_GO_AT_ONCE = 2
"""More than one for one, so that the table shrinks again after a flood."""
_WAIT = "250ms"

# Who comes second waits for the first's transaction to end, but not for long. What the command
# waits for afterwards is none of this.
_CLAIM = f"""
WITH before AS MATERIALIZED (
    SELECT current_setting('lock_timeout') AS lock_timeout
), claimed AS (
    INSERT INTO idempotency_keys AS known (service_id, route, key, fingerprint, claimed_at)
    SELECT $1, $2, $3, $4, $5
    FROM before CROSS JOIN LATERAL set_config(
        'lock_timeout', CASE WHEN before.lock_timeout IS NOT NULL THEN '{_WAIT}' END, true
    )
    ON CONFLICT (service_id, route, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, claimed_at = excluded.claimed_at
    WHERE known.claimed_at <= $6
    RETURNING known.key
)
SELECT set_config('lock_timeout', before.lock_timeout, true) FROM claimed CROSS JOIN before
"""

_KNOWN = """
SELECT fingerprint, status, headers::text, body FROM idempotency_keys
WHERE service_id = $1 AND route = $2 AND key = $3 AND claimed_at > $4
"""

_KEEP = f"""
WITH let_go AS (
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys WHERE claimed_at <= $7
        ORDER BY claimed_at LIMIT {LET_GO_AT_ONCE} FOR UPDATE SKIP LOCKED
    ))
)
UPDATE idempotency_keys SET status = $4, headers = $5, body = $6
WHERE service_id = $1 AND route = $2 AND key = $3
"""

_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


async def claim_key(driver: Driver, service_id: UUID, claim: Claim) -> None:
    """Within a transaction: nobody else is done under the key until it ends.

    Raises:
        Answered: When the request was done before.
        KeyInProgress: When it is being done.
        KeyReused: When the key stands for another request.
    """
    name = (service_id, claim.route, claim.key)
    try:
        mine = await driver.fetch(_CLAIM, *name, claim.fingerprint, claim.at, claim.at - KEPT)
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
    await driver.execute(
        _KEEP,
        service_id,
        claim.route,
        claim.key,
        answer.status,
        msgspec.json.encode(answer.headers).decode(),
        answer.body,
        claim.at - KEPT,
    )
