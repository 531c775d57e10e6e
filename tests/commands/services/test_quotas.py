"""A service has no more of anything than it may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from commands.calendars.put_calendar import PutCalendar, put_calendar
from commands.keys.create_key import CreateKey, create_key
from commands.keys.revoke_key import RevokeKey, revoke_key
from commands.keys.rotate_key import RotateKey, rotate_key
from commands.secrets.put_secret import PutSecret, put_secret
from commands.services.put_member import PutMember, put_member
from domain.access.scopes import Role, Scope
from domain.errors import Conflict, Invalid, QuotaExceeded
from domain.quotas.checks import check_frequency
from domain.quotas.limits import Limits
from domain.schedules.kinds import Spec
from domain.schedules.schedule import Schedule
from storage.crypto.encryption_keys import EncryptionKeys
from storage.jobs.calendar_changes import withdraw_ahead
from storage.services import quotas
from tests.commands.firing import NOON, SECOND, Firing

READ = frozenset({Scope.READ})


async def calendar(firing: Firing, number: int, now: datetime = NOON) -> Any:
    command = PutCalendar(
        caller=firing.caller, name=f"c{number}", description="", exclude=(), now=now
    )
    return await put_calendar(command, firing.shards)


async def member(firing: Firing, number: int, now: datetime = NOON) -> Any:
    caller = msgspec.structs.replace(firing.caller, scopes=READ)
    command = PutMember(caller=caller, subject=f"p{number}", role=Role.VIEWER, now=now)
    return await put_member(command, firing.shards)


async def secret(firing: Firing, number: int, now: datetime = NOON) -> Any:
    command = PutSecret(caller=firing.caller, name=f"S{number}", value="x", now=now)
    return await put_secret(command, firing.shards)


@pytest.mark.parametrize(
    ("table", "put"), [("calendars", calendar), ("members", member), ("secrets", secret)]
)
async def test_no_more_are_stored_than_a_service_may_have(
    firing: Firing,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    put: Callable[..., Awaitable[Any]],
):
    monkeypatch.setattr(firing.shard, "keys", EncryptionKeys([("a", b"a" * 32)]))
    monkeypatch.setitem(quotas.MOST, table, 2)
    for number in (0, 1):
        await put(firing, number)
    with pytest.raises(QuotaExceeded, match=f"2 {table}"):
        await put(firing, 2)
    monkeypatch.setitem(quotas.MOST, table, 1)
    await put(firing, 1, NOON + SECOND)  # what is there may be put anew, however many there are
    service = firing.caller.service_id
    assert len(await firing.rows(f"SELECT FROM {table} WHERE service_id = '{service}'")) == 2


async def test_live_keys_are_counted_at_rotation_and_dead_ones_forgotten(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quotas, "MOST_KEYS", 3)
    monkeypatch.setattr(quotas, "MOST_DEAD_KEYS", 2)

    caller = msgspec.structs.replace(firing.caller, scopes=READ)

    async def made() -> Any:
        command = CreateKey(
            caller=caller, name="k", scopes=READ, expires_at=None, subject=None, now=NOON
        )
        return (await create_key(command, firing.shards))[0]

    async def rotated(key: Any, overlap: timedelta) -> Any:
        command = RotateKey(
            caller=caller, key_id=key.id, overlap=overlap, expires_at=None, now=NOON
        )
        return (await rotate_key(command, firing.shards))[0]

    keys = [await made(), await made()]  # and the one of the fixture
    with pytest.raises(Conflict, match="overlap of 0"):
        await rotated(keys[0], SECOND)
    last = await rotated(keys[0], timedelta(0))
    for _ in range(4):
        last = await rotated(last, timedelta(0))
    await revoke_key(RevokeKey(caller=firing.caller, key_id=last.id, now=NOON), firing.shards)
    await made()
    service = firing.caller.service_id
    assert len(await firing.rows(f"SELECT FROM api_keys WHERE service_id = '{service}'")) == 3 + 2


def test_specs_with_phases_come_no_closer_together_than_a_schedule_may():
    phased = tuple(Spec(every=5 * SECOND, phase=n * SECOND / 20) for n in range(20))
    with pytest.raises(Invalid, match="1 s apart"):
        check_frequency(Schedule(accepted_at=NOON, specs=phased), Limits())
    even = tuple(Spec(every=5 * SECOND, phase=n * SECOND) for n in range(5))
    check_frequency(Schedule(accepted_at=NOON, specs=even), Limits())


async def test_a_calendar_of_more_jobs_than_a_statement_has_parameters_is_changed(firing: Firing):
    job = await firing.job()
    await firing.claim()
    # So many that may have been claimed ahead are told by one parameter.
    many = await firing.rows("SELECT gen_random_uuid() AS id FROM generate_series(1, 40000)")
    ids = [*(row["id"] for row in many), job.id]
    async with firing.database.driver() as driver, driver.transaction():
        assert not await withdraw_ahead(driver, firing.caller.service_id, ids, NOON)
    assert await firing.runs(job.id) == []
