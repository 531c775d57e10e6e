"""An attempt without a status tells whether it failed because of the target."""

from __future__ import annotations

from ipaddress import ip_network

import msgspec
import pytest

from domain.run import Outcome
from domain.targets.http import HttpTarget
from storage.embedded.ports import free_port
from tests.workers.ringing import now, waiting_run
from workers.targets.egress import Network
from workers.targets.http import HttpRinger

LOOPBACK: list[Network] = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(("allowed", "at_fault"), [(LOOPBACK, True), ([], False)])
async def test_who_does_not_listen_is_at_fault_and_who_must_not_be_rung_is_not(
    allowed: list[Network], at_fault: bool
):
    ringer = HttpRinger(allowed, connections=1)
    target = HttpTarget(url=f"http://127.0.0.1:{free_port()}/")
    run = msgspec.structs.replace(waiting_run(0), target=target)
    answer = await ringer.ring(run, now())
    await ringer.close()
    assert (answer.outcome, answer.status_code, answer.at_fault) == (Outcome.FAILED, None, at_fault)
