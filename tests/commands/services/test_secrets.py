"""Secrets as they are stored, used, deleted and encrypted anew."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from commands.secrets import reencrypt_secrets as reencrypting
from commands.secrets.delete_secret import DeleteSecret, delete_secret
from commands.secrets.put_secret import PutSecret, put_secret
from commands.secrets.reencrypt_secrets import ReencryptSecrets, reencrypt_secrets
from commands.secrets.rotate_signing_secret import RotateSigningSecret, rotate_signing_secret
from commands.services.create_service import CreateService, create_service
from domain.access.caller import Caller
from domain.errors import Conflict, Invalid, NotFound
from domain.targets.kinds.http import HttpTarget
from queries.secrets.list_signing_secrets import ListSigningSecrets, list_signing_secrets
from storage.crypto.encryption_keys import EncryptionKeys, Undecipherable
from storage.services.signing_secrets import stored_of
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.changing import update
from tests.commands.firing import NOON, SECOND, TARGET, Firing
from tests.storage.eventually import eventually
from tests.workers.ringing import waiting_run
from workers.targets.http.signature import SigningSecrets
from workers.targets.secrets import Secrets, Unreadable

OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
VALUE = "s3cr3t-value"
DAY = timedelta(days=1)


@pytest.fixture
async def sealing(shards: Shards, commands_urls: ShardUrls) -> AsyncIterator[Shards]:
    """The shard, with a key."""
    made = Shards(commands_urls, keys=EncryptionKeys([OLD]))
    yield made
    await made.close()


@pytest.fixture
def firing(sealing: Shards, caller: Caller) -> Firing:
    return Firing(sealing, caller)


async def put(firing: Firing, name: str = "TOKEN", value: str = VALUE) -> None:
    await put_secret(
        PutSecret(caller=firing.caller, name=name, value=value, now=NOON), firing.shards
    )


async def delete(firing: Firing, name: str = "TOKEN") -> None:
    await delete_secret(DeleteSecret(caller=firing.caller, name=name, now=NOON), firing.shards)


def using(*names: str) -> HttpTarget:
    body = msgspec.Raw(msgspec.json.encode([f"${{secret.{name}}}" for name in names]))
    return msgspec.structs.replace(TARGET, body=body)


async def value_of(firing: Firing, ring: EncryptionKeys, name: str = "TOKEN") -> str:
    """What a worker with that ring would send."""
    run = msgspec.structs.replace(
        waiting_run(0), service_id=firing.caller.service_id, target=using(name)
    )
    filled, _ = await Secrets(firing.database, ring).fill_in(run)
    (value,) = msgspec.json.decode(filled.target.body)  # type: ignore[union-attr, arg-type]
    return str(value)


async def job_using(firing: Firing, *names: str) -> Any:
    return await firing.job(target=using(*names))


async def test_no_table_has_the_value(firing: Firing):
    await put(firing)
    job = await job_using(firing, "TOKEN")
    await firing.claim()
    assert job.target == using("TOKEN")
    for table in ("secrets", "services", "audit", "jobs", "listings", "runs"):
        rows = await firing.rows(f"SELECT t::text AS text FROM {table} AS t")
        assert rows
        assert not any(VALUE in row["text"] for row in rows)
    stored = await firing.rows("SELECT content FROM secrets")
    assert not any(VALUE.encode() in row["content"] for row in stored)


async def test_a_row_that_was_moved_to_another_service_does_not_decrypt(firing: Firing):
    await put(firing)
    assert await value_of(firing, EncryptionKeys([OLD])) == VALUE
    other, _ = await create_service(
        CreateService(caller=firing.caller, name=f"thief-{uuid4()}", now=NOON), firing.shards
    )
    await firing.rows("UPDATE secrets SET service_id = $1", other.id)
    thief = Firing(firing.shards, msgspec.structs.replace(firing.caller, service_id=other.id))
    with pytest.raises(Unreadable, match="moved"):
        await value_of(thief, EncryptionKeys([OLD]))


async def test_a_worker_without_the_key_says_which_it_lacks(firing: Firing):
    await put(firing)
    with pytest.raises(Unreadable, match="'old'") as error:
        await value_of(firing, EncryptionKeys([NEW]))
    assert VALUE not in str(error.value)


async def test_values_are_read_once_for_many_and_forgotten(
    firing: Firing,
):
    await put(firing)
    reads: list[Any] = []
    secrets = Secrets(firing.database, EncryptionKeys([OLD]), kept_seconds=0.2)
    read = secrets._rows._ask

    async def counted(keys: Any) -> Any:
        reads.append(keys)
        return await read(keys)

    secrets._rows._ask = counted  # type: ignore[method-assign]
    run = msgspec.structs.replace(
        waiting_run(0), service_id=firing.caller.service_id, target=using("TOKEN")
    )
    await asyncio.gather(*(secrets.fill_in(run) for _ in range(50)))
    assert len(reads) == 1

    async def forgotten() -> bool:
        return not secrets._kept

    await eventually(forgotten)
    await secrets.fill_in(run)
    assert len(reads) == 2


async def test_a_secret_that_there_is_not_is_refused_where_it_stands(firing: Firing):
    await put(firing)
    with pytest.raises(Invalid, match="'NOPE'") as refusal:
        await job_using(firing, "TOKEN", "NOPE")
    assert refusal.value.pointer == "/target/body"
    job = await job_using(firing, "TOKEN")
    with pytest.raises(Invalid, match="'NOPE'") as refusal:
        await update(
            firing.shards,
            firing.caller,
            job.id,
            NOON,
            target=HttpTarget(url=TARGET.url, headers={"x": "${secret.NOPE}"}),
        )
    assert refusal.value.pointer == "/target/headers/x"


async def test_another_services_secret_is_none(firing: Firing):
    await put(firing)
    other, _ = await create_service(
        CreateService(caller=firing.caller, name=f"other-{uuid4()}", now=NOON), firing.shards
    )
    theirs = Firing(firing.shards, msgspec.structs.replace(firing.caller, service_id=other.id))
    with pytest.raises(Invalid):
        await job_using(theirs, "TOKEN")
    with pytest.raises(NotFound):
        await delete(theirs)


async def test_a_secret_in_use_is_not_deleted_and_its_users_are_named(firing: Firing):
    await put(firing)
    await put(firing, "TOKEN2")
    job = await job_using(firing, "TOKEN")
    with pytest.raises(Conflict, match=str(job.id)):
        await delete(firing)
    await delete(firing, "TOKEN2")
    await update(firing.shards, firing.caller, job.id, NOON, target=TARGET)
    await delete(firing)
    with pytest.raises(NotFound):
        await delete(firing)


async def test_of_many_users_a_few_are_named(firing: Firing):
    await put(firing)
    for _ in range(7):
        await job_using(firing, "TOKEN")
    with pytest.raises(Conflict, match="and others") as refusal:
        await delete(firing)
    assert (
        len(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", refusal.value.detail)) == 5
    )


async def test_no_job_comes_to_use_a_secret_while_it_is_deleted(firing: Firing):
    for _ in range(20):
        await put(firing)
        results = await asyncio.gather(
            delete(firing), job_using(firing, "TOKEN"), return_exceptions=True
        )
        deleted, job = (not isinstance(result, Exception) for result in results)
        assert deleted != job, results
        for error in results:
            assert (
                error is None
                or not isinstance(error, Exception)
                or isinstance(error, Conflict | Invalid)
            )
        await firing.rows("DELETE FROM listings")
        await firing.rows("DELETE FROM jobs")


async def test_a_new_value_of_a_secret_in_use_waits_for_nobody(firing: Firing):
    await put(firing)
    await job_using(firing, "TOKEN")
    await put(firing, value="another")
    assert await value_of(firing, firing.shard.keys) == "another"


async def reencrypt(
    firing: Firing, *keys: tuple[str, bytes], at_once: int = 200
) -> tuple[int, int]:
    command = ReencryptSecrets(now=NOON, at_once=at_once)
    return await reencrypt_secrets(command, firing.database, EncryptionKeys(keys))


async def test_all_is_encrypted_anew_under_the_first_key_in_batches_and_only_once(firing: Firing):
    for number in range(5):
        await put(firing, f"S{number}", f"value {number}")
    await rotate(firing)
    secrets, services = await reencrypt(firing, NEW, OLD, at_once=2)
    assert secrets == 5
    assert services >= 1
    for number in range(5):
        assert await value_of(firing, EncryptionKeys([NEW]), f"S{number}") == f"value {number}"
    assert len(await texts(firing, EncryptionKeys([NEW]))) == 2
    assert await reencrypt(firing, NEW) == (0, 0)
    (trail,) = await firing.rows(
        "SELECT details::text FROM audit WHERE action = 'secrets.reencrypted' LIMIT 1"
    )
    assert '"secrets":5' in trail["details"]


async def test_a_value_that_is_put_meanwhile_wins(firing: Firing, monkeypatch: pytest.MonkeyPatch):
    await put(firing)
    replace = reencrypting._replace

    async def late(*arguments: Any) -> None:
        await put(firing, value="newer")
        await replace(*arguments)

    monkeypatch.setattr(reencrypting, "_replace", late)
    await reencrypt(firing, NEW, OLD)
    assert await value_of(firing, EncryptionKeys([NEW, OLD])) == "newer"


async def test_without_a_key_that_is_needed_nothing_is_lost(firing: Firing):
    await put(firing)
    with pytest.raises(Undecipherable, match="'old'"):
        await reencrypt(firing, NEW)
    with pytest.raises(Undecipherable, match="TOCSIN_ENCRYPTION_KEYS"):
        await reencrypt(firing)
    assert await value_of(firing, EncryptionKeys([OLD])) == VALUE


async def rotate(firing: Firing, overlap: timedelta = DAY, *, days: float = 0) -> str:
    command = RotateSigningSecret(
        caller=firing.caller, overlap=overlap, now=NOON + timedelta(days=days)
    )
    return (await rotate_signing_secret(command, firing.shards))[1]


async def stored(firing: Firing) -> list[str]:
    ((found,),) = await firing.rows(
        "SELECT signing_secrets FROM services WHERE id = $1", firing.caller.service_id
    )
    return list(found)


async def texts(firing: Firing, ring: EncryptionKeys, *, days: float = 0) -> list[str]:
    """What a worker with that ring signs with."""
    opened = SigningSecrets(ring)
    now = NOON + timedelta(days=days)
    return opened.live(firing.caller.service_id, await stored(firing), now)


async def test_two_signing_secrets_are_live_for_the_overlap(firing: Firing):
    (first,) = await texts(firing, EncryptionKeys([OLD]))
    second = await rotate(firing)
    assert await texts(firing, EncryptionKeys([OLD]), days=0.9) == [second, first]
    assert await texts(firing, EncryptionKeys([OLD]), days=1) == [second]
    for text in await stored(firing):
        assert first not in text
        assert second not in text


async def test_a_third_one_is_refused_while_two_are_live(firing: Firing):
    await rotate(firing)
    with pytest.raises(Conflict, match="live until"):
        await rotate(firing, days=0.9)
    third = await rotate(firing, days=1)
    assert (await texts(firing, EncryptionKeys([OLD]), days=1))[0] == third
    alone = await rotate(firing, timedelta(0), days=1.1)
    assert await texts(firing, EncryptionKeys([OLD]), days=1.1) == [alone]


@pytest.mark.parametrize("overlap", [-SECOND, timedelta(days=30, seconds=1)])
async def test_an_overlap_has_bounds(firing: Firing, overlap: timedelta):
    with pytest.raises(Invalid) as refusal:
        await rotate(firing, overlap)
    assert refusal.value.pointer == "/overlap"


async def test_rotations_at_once_leave_two_live(firing: Firing):
    results = await asyncio.gather(*(rotate(firing) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 1
    assert len(await texts(firing, EncryptionKeys([OLD]))) == 2


async def test_a_service_made_without_keys_signs_and_is_encrypted_later(firing: Firing):
    (clear,) = await stored(firing)  # made by a fixture, before there was a key
    assert clear.startswith("whsec_")
    assert await texts(firing, EncryptionKeys()) == [clear]
    query = ListSigningSecrets(caller=firing.caller, now=NOON)
    (told,) = await list_signing_secrets(query, firing.shards)
    assert (told.id, told.key_id) == (firing.caller.service_id, None)
    await reencrypt(firing, NEW, OLD)
    (sealed,) = await stored(firing)
    assert clear not in sealed
    assert await texts(firing, EncryptionKeys([NEW])) == [clear]
    (told_later,) = await list_signing_secrets(query, firing.shards)
    assert (told_later.id, told_later.key_id) == (told.id, "new")


async def test_a_service_made_with_keys_is_never_in_clear(firing: Firing):
    service, text = await create_service(
        CreateService(caller=firing.caller, name=f"made-{uuid4()}", now=NOON), firing.shards
    )
    rows = await firing.rows("SELECT signing_secrets FROM services WHERE id = $1", service.id)
    assert text not in str(rows)
    (one,) = stored_of(rows[0]["signing_secrets"], service.id, NOON)
    assert SigningSecrets(EncryptionKeys([OLD])).live(
        service.id, rows[0]["signing_secrets"], NOON
    ) == [text]
    assert one.key_id == "old"


async def test_rotating_without_keys_is_refused(firing: Firing, shards: Shards):
    with pytest.raises(Undecipherable, match="TOCSIN_ENCRYPTION_KEYS"):
        await rotate(Firing(shards, firing.caller))
