"""A batch whose begin was not answered, in a worker whose clock turns wrong meanwhile."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from commands.firing.start_attempts import StartAttempts, start_attempts
from storage.postgres.pools import Database
from storage.queue.broker import RunKey
from tests.commands.firing import Firing
from tests.storage.eventually import eventually
from tests.workers.ringing import Bell, due_in, state_of
from workers.worker.ringer import Ringer


async def is_in(firing: Firing, key: RunKey, state: str) -> bool:
    return await state_of(firing, key) == state


async def is_given_back(ringer: Ringer, key: RunKey) -> bool:
    """As the watch of the clock has it, again and again."""
    return await ringer.intake.give_back() == [key]


def turn_wrong(firing: Firing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing.database.clock, "trouble", lambda _: "was set 60.0 s ahead")


async def test_what_has_not_begun_is_given_back_while_the_clock_is_wrong(
    firing: Firing, ringer: Ringer, bell: Bell, monkeypatch: pytest.MonkeyPatch
):
    async def lose(_: StartAttempts, __: Database) -> set[UUID]:
        turn_wrong(firing, monkeypatch)
        raise ConnectionResetError

    monkeypatch.setattr("workers.worker.attempts.start_attempts", lose)
    _, key = await due_in(firing, -1)
    await ringer.intake.take([key])
    await eventually(partial(is_given_back, ringer, key))
    assert await state_of(firing, key) == "scheduled"
    assert bell.rung == []


async def test_what_has_begun_rings_though_the_clock_is_wrong(
    firing: Firing, ringer: Ringer, bell: Bell, monkeypatch: pytest.MonkeyPatch
):
    async def begin_and_lose_the_answer(command: StartAttempts, database: Database) -> set[UUID]:
        await start_attempts(command, database)
        turn_wrong(firing, monkeypatch)
        raise ConnectionResetError

    monkeypatch.setattr("workers.worker.attempts.start_attempts", begin_and_lose_the_answer)
    _, key = await due_in(firing, -1)
    await ringer.intake.take([key])
    await bell.rings(1)
    await eventually(partial(is_in, firing, key, "succeeded"))
    assert await firing.outcomes(key[1]) == ["succeeded"]
