"""Every command writes one audit row in its own transaction."""

from __future__ import annotations

from unittest.mock import ANY
from uuid import UUID, uuid4

import msgspec
import pytest
from asyncpg import CharacterNotInRepertoireError

from domain.errors import NotFound
from storage.services.audit import DETAILS_BYTES
from tests.commands.changing import Change, delete, pause, rename, resume, trigger, update
from tests.commands.firing import NOON, Firing

UNWRITABLE = CharacterNotInRepertoireError
CHANGES = [
    (pause, "job.paused"),
    (rename, "job.updated"),
    (delete, "job.deleted"),
    (trigger, "job.triggered"),
    (resume, "job.resumed"),
]


async def a_job_for(firing: Firing, change: Change) -> UUID:
    """A job with a run claimed ahead, on which the change has something to do."""
    job = await firing.job()
    await firing.claim()
    if change is resume:
        await pause(firing.shards, firing.caller, job.id)
    return job.id


async def everything(firing: Firing) -> list[object]:
    tables = ("jobs", "runs", "audit")
    return [await firing.rows(f"SELECT * FROM {table} ORDER BY id") for table in tables]


async def test_storing_a_job_is_audited(firing: Firing):
    job = await firing.job()
    by_action = {row["action"]: row for row in await firing.rows("SELECT * FROM audit")}
    assert by_action.keys() == {"key.created", "job.created"}
    assert by_action["key.created"]["principal"] == "operator"
    assert by_action["job.created"]["object_id"] == job.id


@pytest.mark.parametrize(("change", "action"), CHANGES)
async def test_a_change_is_audited_once_with_who_and_what(
    firing: Firing, change: Change, action: str
):
    job_id = await a_job_for(firing, change)
    caller = msgspec.structs.replace(firing.caller, principal="key:one", request_id="r-1")
    await change(firing.shards, caller, job_id)
    (row,) = await firing.rows("SELECT * FROM audit WHERE request_id = 'r-1'")
    assert (row["action"], row["object_id"]) == (action, job_id)
    assert (row["service_id"], row["principal"]) == (caller.service_id, "key:one")


@pytest.mark.parametrize("change", [pause, resume])
async def test_what_changes_nothing_is_not_audited(firing: Firing, change: Change):
    job = await firing.job()
    if change is pause:
        await pause(firing.shards, firing.caller, job.id)
    before = await everything(firing)
    await change(firing.shards, firing.caller, job.id)
    assert await everything(firing) == before


@pytest.mark.promise("audit")
@pytest.mark.parametrize("change", [change for change, _ in CHANGES])
async def test_a_change_that_cannot_be_audited_does_not_happen(firing: Firing, change: Change):
    job_id = await a_job_for(firing, change)
    before = await everything(firing)
    unwritable = msgspec.structs.replace(firing.caller, request_id="\0")
    with pytest.raises(UNWRITABLE):
        await change(firing.shards, unwritable, job_id)
    assert await everything(firing) == before


async def test_a_job_that_cannot_be_audited_is_not_stored(firing: Firing):
    unwritable = msgspec.structs.replace(firing.caller, request_id="\0")
    with pytest.raises(UNWRITABLE):
        await Firing(firing.shards, unwritable).job()
    assert await firing.rows("SELECT FROM jobs") == []


@pytest.mark.parametrize("change", [change for change, _ in CHANGES])
async def test_another_services_job_is_not_found_and_nothing_is_audited(
    firing: Firing, change: Change
):
    job_id = await a_job_for(firing, change)
    before = await everything(firing)
    stranger = msgspec.structs.replace(firing.caller, service_id=uuid4())
    with pytest.raises(NotFound, match=str(job_id)):
        await change(firing.shards, stranger, job_id)
    assert await everything(firing) == before


async def test_the_audit_holds_nothing_of_a_target(firing: Firing):
    job_id = await a_job_for(firing, rename)
    await rename(firing.shards, firing.caller, job_id)
    rows = await firing.rows("SELECT details::text FROM audit")
    assert len(rows) >= 2
    assert not any("example.com" in row["details"] for row in rows)


async def test_details_that_are_long_are_left_out_and_named(firing: Firing):
    job = await firing.job()
    long = "\N{BELL}" * 2_100
    await update(firing.shards, firing.caller, job.id, NOON, name="new", description=long)
    (row,) = await firing.rows("SELECT details FROM audit WHERE action = 'job.updated'")
    details = msgspec.json.decode(row["details"])
    assert details == {"changed": ["description", "name"], "left_out": ["after"], "before": ANY}
    short = "x"
    await update(firing.shards, firing.caller, job.id, NOON, description=short)
    rows = await firing.rows("SELECT details FROM audit WHERE action = 'job.updated'")
    known = [msgspec.json.decode(row["details"]) for row in rows]
    (other,) = [one for one in known if one.get("after")]
    assert other["after"] == {"description": short}
    assert max(len(row["details"].encode()) for row in rows) <= DETAILS_BYTES
