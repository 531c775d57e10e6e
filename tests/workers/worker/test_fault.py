"""An attempt without a status tells whether it failed because of the target."""

from __future__ import annotations

import msgspec
import pytest

from app.embedded.ports import free_port
from domain.runs.run import Outcome
from domain.targets.egress import parse_egress
from domain.targets.kinds.http import HttpTarget
from storage.crypto.encryption_keys import NO_KEYS
from tests.workers.ringing import now, waiting_run
from workers.targets.http.transport import Transport
from workers.targets.kinds.http import HttpRinger


@pytest.mark.parametrize(("allowed", "at_fault"), [(["127.0.0.0/8"], True), ([], False)])
async def test_who_does_not_listen_is_at_fault_and_who_must_not_be_rung_is_not(
    allowed: list[str], at_fault: bool
):
    ringer = HttpRinger(Transport(parse_egress(allowed, []), 1), NO_KEYS)
    target = HttpTarget(url=f"http://127.0.0.1:{free_port()}/")
    run = msgspec.structs.replace(waiting_run(0), target=target)
    answer = await ringer.ring(run, now())
    await ringer.close()
    assert (answer.outcome, answer.status_code, answer.at_fault) == (Outcome.FAILED, None, at_fault)
