"""An installation with an identity provider, and somebody of every kind who calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.access.issuer import AUDIENCE, Issuer
from tests.processes import NO_TLS, System


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with Issuer() as serving:
        yield serving


@pytest.fixture(scope="session")
def installation(
    urls: ShardUrls, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """An API that takes people's tokens."""
    with System(urls, tmp_path_factory.mktemp("installation")) as running:
        running.environment |= {
            "TOCSIN_OIDC_ISSUER": issuer.url,
            "TOCSIN_OIDC_AUDIENCE": AUDIENCE,
        }
        running.migrate()
        running.start("api")
        yield running


@pytest.fixture(scope="session")
def operator(installation: System) -> Iterator[httpx.Client]:
    """Calls as the installation's operator."""

    async def make() -> str:
        shards = Shards(installation.urls)
        key = await bootstrap_key(BootstrapKey(service_name=None, now=datetime.now(UTC)), shards)
        await shards.close()
        return key

    with calling(installation, asyncio.run(make())) as client:
        yield client


@pytest.fixture
def service_id(operator: httpx.Client) -> str:
    """A service of this test's own."""
    return new_service(operator)


def new_service(operator: httpx.Client) -> str:
    """The id of a new service."""
    made = operator.post("/services", json={"name": f"s-{uuid4()}"})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/services/{made.json()['id']}"
    service_id: str = made.json()["id"]
    return service_id


def calling(
    installation: System, credential: str | None, service: str | None = None
) -> httpx.Client:
    """A client with a credential, that acts in a service."""
    headers = {}
    if credential is not None:
        headers["authorization"] = f"Bearer {credential}"
    if service is not None:
        headers["tocsin-service"] = service
    return httpx.Client(base_url=installation.url, headers=headers, timeout=15.0, verify=NO_TLS)


def new_key(
    operator: httpx.Client, service_id: str, *scopes: str, **body: object
) -> httpx.Response:
    """The answer to who asks for a key."""
    asked = {"name": "k", "scopes": scopes, **body}
    return operator.post(f"/services/{service_id}/keys", json=asked)
