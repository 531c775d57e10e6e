"""A dispatcher reckons by newer tables before it claims; who has other tables says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.doctor.elsewhere import judge_zones
from app.doctor.finding import Level
from commands.jobs.reckon_zones import Reckoned
from domain.schedules.clocks.zones import VERSION
from storage.jobs import zone_tables
from storage.jobs.zone_tables import OtherTables, others, watch_tables
from tests.commands.firing import Firing
from tests.storage.eventually import eventually
from workers.dispatcher import zone_keeper
from workers.dispatcher.zone_keeper import ZoneKeeper
from workers.heartbeat import Heartbeat

VANCOUVER = {"cron": "0 9 * * *", "timezone": "America/Vancouver"}
OTHER = OtherTables(kind="worker", host="h", pid=1, tzdata="2025b")
UNKNOWN = OtherTables(kind="dispatcher", host="h", pid=2, tzdata=None)


async def test_what_older_tables_left_is_reckoned_before_anything_is_claimed(firing: Firing):
    job = await firing.job(now=datetime.now(UTC), **VANCOUVER)
    later = "UPDATE jobs SET next_fire_for = next_fire_for + interval '1 hour' WHERE id = $1"
    await firing.rows(later, job.id)
    process = uuid4()
    await Heartbeat(process, "dispatcher", firing.database).beat()
    await ZoneKeeper(firing.shard, process).begin()
    (row,) = await firing.rows("SELECT next_fire_for FROM jobs WHERE id = $1", job.id)
    assert row["next_fire_for"] == job.next_fire_at
    async with firing.database.driver() as driver:
        assert await others(driver, VERSION) == []  # it has told its own


async def test_trouble_with_it_keeps_nobody_from_claiming(firing: Firing):
    await firing.rows("ALTER TABLE zone_tables RENAME TO away")
    try:
        with capture_logs() as told:
            await ZoneKeeper(firing.shard, uuid4()).begin()
    finally:
        await firing.rows("ALTER TABLE away RENAME TO zone_tables")
    assert [line["event"] for line in told] == ["zones.not_reckoned"]


async def test_what_breaks_it_keeps_nobody_from_claiming(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    calls = []

    async def breaks(*_: object) -> Reckoned:
        calls.append(1)
        raise OverflowError

    monkeypatch.setattr(zone_keeper, "reckon_zones", breaks)
    keeper = ZoneKeeper(firing.shard, uuid4(), look_seconds=0.01)
    with capture_logs() as told:
        await keeper.begin()
        running = asyncio.create_task(keeper.run())
        await eventually(partial(_has, calls, 3), seconds=30)
        running.cancel()
    assert {line["event"] for line in told} == {"zones.broken"}


async def test_a_process_says_by_which_tables_it_reckons_and_jobs_are(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(zone_tables, "WATCH_SECONDS", 0.01)
    add = "INSERT INTO zone_tables (version, settled_from) VALUES ($1, now())"
    await firing.rows(add, "2031a")
    with capture_logs() as told:
        watching = asyncio.create_task(watch_tables(firing.database))
        await eventually(partial(_has, told, 1), seconds=30)
        await firing.rows("UPDATE zone_tables SET version = $1", VERSION)
        await eventually(partial(_has, told, 2), seconds=30)
        watching.cancel()
    said = [(line["log_level"], line["tzdata"], line["jobs_reckoned_by"]) for line in told]
    assert said == [("warning", VERSION, "2031a"), ("info", VERSION, VERSION)]
    assert REGISTRY.get_sample_value("tocsin_tzdata_info", {"version": VERSION}) == 1


async def _has(told: Sized, count: int) -> bool:
    return len(told) == count


@pytest.mark.parametrize(
    ("of_jobs", "found", "said"),
    [
        ("2026f", [], ["ok: tzdata 2026f, here and of jobs"]),
        ("2027a", [], ["warn: tzdata 2026f here, 2027a of jobs"]),
        (None, [], ["warn: tzdata 2026f; jobs are not reckoned by it yet"]),
        (
            "2026f",
            [OTHER, UNKNOWN],
            [
                "warn: reckons by 2025b, and this one by 2026f",
                "warn: reckons by what its host has, and this one by 2026f",
                "ok: tzdata 2026f, here and of jobs",
            ],
        ),
    ],
)
def test_doctor_names_the_tables(of_jobs: str | None, found: list[OtherTables], said: list[str]):
    judged = list(judge_zones("2026f", of_jobs, found))
    assert [f"{one.level}: {one.said}" for one in judged] == said
    assert all(one.advice for one in judged if one.level is not Level.OK)


def test_the_version_is_one_that_can_be_compared():
    year, letter = int(VERSION[:4]), VERSION[4:]
    assert year >= 2026
    assert letter.isalpha()
