"""One credential a request: which is believed, what is remembered of it, and how it is counted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest
from litestar.exceptions import NotAuthorizedException

from app.edge.authentication.credentials import Credentials
from app.edge.authentication.failed_logins import A_MINUTE
from app.edge.authentication.principals import Authentication
from storage.shards import Shards
from tests.access.conftest import calling, new_key, new_service
from tests.access.issuer import Issuer
from tests.processes import System


@pytest.mark.parametrize("path", ["/jobs", "/services/{service_id}/keys", "/health/live"])
@pytest.mark.parametrize("repeated", ["authorization", "tocsin-service"])
def test_a_repeated_credential_or_service_is_refused(
    installation: System, operator: httpx.Client, service_id: str, path: str, repeated: str
) -> None:
    good = operator.headers["authorization"]
    bad = f"Bearer tocsin_{UUID(service_id).hex}_{'x' * 43}"
    values = {"authorization": (good, bad), "tocsin-service": (service_id, new_service(operator))}
    for order in (values[repeated], values[repeated][::-1], (values[repeated][0],) * 2):
        once = [] if repeated == "authorization" else [("authorization", good)]
        headers = [*once, *((repeated, value) for value in order)]
        url = installation.url + path.format(service_id=service_id)
        refused = httpx.get(url, headers=headers)
        assert refused.status_code == 400, (order, refused.text)
        assert refused.headers["content-type"] == "application/problem+json"
        assert "x-request-id" in refused.headers


def test_requests_that_name_services_that_are_none_are_counted(
    installation: System, operator: httpx.Client, issuer: Issuer
) -> None:
    mine = new_service(operator)
    operator.patch(f"/services/{mine}", json={"limits": {"user_reads_per_minute": 5}})
    with calling(installation, new_key(operator, mine, "read").json()["key"]) as client:
        answers = [
            client.get("/jobs", headers={"tocsin-service": f"none-{number}"})
            for number in range(10)
        ]
        assert {answer.status_code for answer in answers} == {404, 429}
        # What is used up so is used up for the service that the key has, too.
        assert client.get("/jobs").status_code == 429
    with calling(installation, issuer.token(f"lost-{uuid4()}"), "none-at-all") as lost:
        answers = [lost.get("/jobs", headers={"tocsin-service": f"no-{n}"}) for n in range(2)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert all("ratelimit" in answer.headers for answer in answers)


def test_a_service_of_the_callers_own_is_counted_once_however_it_is_named(
    installation: System, operator: httpx.Client
) -> None:
    mine = new_service(operator)
    operator.patch(f"/services/{mine}", json={"limits": {"user_reads_per_minute": 5}})
    name = operator.get(f"/services/{mine}").json()["name"]
    key = new_key(operator, mine, "read").json()["key"]
    with calling(installation, key, name) as client:
        assert [client.get("/jobs").status_code for _ in range(6)] == [200] * 5 + [429]


def test_a_service_is_not_named_in_endless_ways(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    # Each would be remembered as one more principal, of up to 32 KiB.
    spelled = ["-" * 20_000 + service_id, "{" * 100 + service_id, f"urn:uuid:{service_id}"]
    key = new_key(operator, service_id, "read").json()["key"]
    with calling(installation, key) as client:
        for service in spelled:
            answer = client.get("/jobs", headers={"tocsin-service": service})
            assert answer.status_code == 404, answer.text
            assert len(answer.content) < 1_000
        assert client.get("/jobs", headers={"tocsin-service": service_id}).status_code == 200


async def test_failed_log_ins_are_counted_wherever_they_are_found(shards: Shards) -> None:
    # As the guard of a route asks, that looks a credential up again for the service in its path.
    authentication = Authentication(shards, None)
    address = f"2001:db8:{uuid4().hex[:4]}::1"
    sent = Credentials(f"Bearer tocsin_{UUID(int=7).hex}_{'x' * 43}", None)

    async def fail() -> None:
        with pytest.raises(NotAuthorizedException):
            await authentication.principal(sent, address, datetime.now(UTC))

    for _ in range(3 * A_MINUTE // 50):
        await asyncio.gather(*(fail() for _ in range(50)))
        if authentication.closed_for(address, sent):
            return
    pytest.fail("never closed")
