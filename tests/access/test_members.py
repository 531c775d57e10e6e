"""Members by subject: which are taken, listed in pages, changed and removed."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx
import pytest

from app.embedded.servers import EmbeddedServers
from tests.access.conftest import calling
from tests.access.issuer import Issuer
from tests.processes import System
from tests.storage.reading import replay_paused


@pytest.mark.parametrize("subject", ["ann%0A", "a%00b", "%C3%A9", "a%20b", "x" * 201])
def test_a_subject_that_no_token_can_have_is_refused(
    operator: httpx.Client, service_id: str, subject: str
) -> None:
    refused = operator.put(f"/services/{service_id}/members/{subject}", json={"role": "viewer"})
    assert refused.status_code == 422, refused.text
    assert operator.get(f"/services/{service_id}/members").json()["items"] == []


def test_members_are_listed_by_subject_in_pages(operator: httpx.Client, service_id: str) -> None:
    path = f"/services/{service_id}/members"
    subjects = ["auth0|b", "a@example.com", "c"]
    for subject in subjects:
        assert operator.put(f"{path}/{subject}", json={"role": "viewer"}).status_code == 201
    assert operator.put(f"{path}/c", json={"role": "admin"}).status_code == 200
    seen, cursor = [], None
    while True:
        page = operator.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        seen += [(one["subject"], one["role"]) for one in page.json()["items"]]
        if (cursor := page.json()["next_cursor"]) is None:
            break
    assert seen == [("a@example.com", "viewer"), ("auth0|b", "viewer"), ("c", "admin")]
    assert operator.delete(f"{path}/c").status_code == 204
    assert operator.delete(f"{path}/c").status_code == 404


async def test_a_new_member_may_come_at_once_though_the_replica_lags(
    installation: System,
    operator: httpx.Client,
    issuer: Issuer,
    service_id: str,
    servers: EmbeddedServers,
) -> None:
    subject = f"new-{uuid4()}"
    member = f"/services/{service_id}/members/{subject}"
    with calling(installation, issuer.token(subject)) as newcomer:
        async with replay_paused(servers):
            await asyncio.to_thread(operator.put, member, json={"role": "viewer"})
            listed = await asyncio.to_thread(newcomer.get, "/jobs")
    assert listed.status_code == 200, listed.text
