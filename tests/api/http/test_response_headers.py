"""Every answer tells browsers and caches what they may do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.settings import SettingsError, read_settings
from storage.postgres.pools import Database
from storage.urls import ShardUrls
from tests.api.application import app_with
from tests.api.problems import problem
from tests.processes import System

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
PAGE = "https://console.example"
ASKS = {"Access-Control-Request-Method": "POST"}


def of_the_api(answer: httpx.Response) -> None:
    assert answer.headers.items() >= ALWAYS.items()
    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.promise("ETag")
def test_a_read_with_an_entity_tag_is_asked_for_again(
    api: httpx.Client, store: Callable[..., Any]
) -> None:
    for path in (f"/jobs/{store()['id']}", "/jobs"):
        # The first goes the long way, the others the short cut.
        first, *others = (api.get(path) for _ in range(4))
        tag = {"If-None-Match": first.headers["etag"]}
        same = api.get(path, headers=tag)
        assert same.status_code == 304
        for answer in (first, *others, same):
            of_the_api(answer)
            assert answer.headers["cache-control"] == "private, no-cache"
            assert answer.headers["vary"] == "Authorization, Tocsin-Service"
            assert answer.headers["etag"] == first.headers["etag"]
            assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("PUT", "/jobs", 405),
        ("POST", "/jobs", 400),
        ("GET", "/runs", 200),
        ("GET", "/metrics", 200),
        ("OPTIONS", "/jobs", 204),
    ],
)
def test_nobody_keeps_anything_else(api: httpx.Client, method: str, path: str, status: int) -> None:
    sent = {"content": b"{", "headers": {"content-type": "application/json"}}
    answer = api.request(method, path, **(sent if method == "POST" else {}))
    assert answer.status_code == status
    of_the_api(answer)
    assert answer.headers["cache-control"] == "no-store"


def test_a_stored_job_is_not_kept(api: httpx.Client, job_body: Callable[..., Any]) -> None:
    made = api.post("/jobs", json=job_body())
    assert made.headers["etag"]
    assert made.headers["cache-control"] == "no-store"


def test_the_page_may_run_its_own_scripts_and_nothing_else(system: System) -> None:
    answer = httpx.get(f"{system.url}/docs")
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "<script>" not in answer.text
    asset = httpx.get(f"{system.url}/docs/assets/swagger-ui.css")
    assert asset.headers["cache-control"] == "public, max-age=3600"
    for one in (answer, asset, httpx.get(f"{system.url}/docs/assets/nope.js")):
        assert one.headers.items() >= ALWAYS.items()
        assert one.headers["content-security-policy"].startswith("default-src 'none'; script-src")
    problem(httpx.get(f"{system.url}/docs/assets/nope.js"), 404)


async def test_browsers_are_to_insist_on_tls_only_where_there_is_tls(urls: ShardUrls) -> None:
    async with app_with(urls, tls=True) as client:
        for path in ("/health/live", "/nope", "/docs"):
            header = (await client.get(path)).headers["strict-transport-security"]
            assert header == "max-age=31536000; includeSubDomains"


async def test_a_page_of_an_allowed_origin_may_call(urls: ShardUrls, api: httpx.Client) -> None:
    key = {"authorization": api.headers["authorization"]}
    async with app_with(urls, cors_origins=(PAGE,)) as client:
        path = "/jobs"
        for _ in range(3):  # the long way, and the short cut
            answer = await client.get(path, headers={**key, "Origin": PAGE})
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "access-control-allow-credentials" not in answer.headers
            vary = {"Authorization", "Tocsin-Service", "Origin"}
            assert set(answer.headers["vary"].split(", ")) == vary
        shown = set(answer.headers["access-control-expose-headers"].split(", "))
        assert shown >= {"ETag", "Location", "Retry-After", "RateLimit", "X-Request-Id"}
        refused = await client.get("/nope", headers={"Origin": PAGE})
        assert refused.headers["access-control-allow-origin"] == PAGE
        asked = await client.options(path, headers={"Origin": PAGE, **ASKS})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == PAGE
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        allowed = asked.headers["access-control-allow-headers"].split(", ")
        assert {"Authorization", "Idempotency-Key", "If-Match"} <= set(allowed)
        of_the_api(asked)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", PAGE + ":444", PAGE + ".evil.example", "*", ""]
)
async def test_a_page_of_another_origin_may_not(urls: ShardUrls, origin: str) -> None:
    async with app_with(urls, cors_origins=(PAGE,)) as client:
        for headers in ({"Origin": origin}, {"Origin": origin, **ASKS}):
            for answer in (
                await client.get("/health/live", headers=headers),
                await client.options("/jobs", headers=headers),
            ):
                assert not any(name.startswith("access-control") for name in answer.headers)
                assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(("value", "tls"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_tls_is_a_setting(value: str, tls: bool) -> None:
    assert read_settings({"TOCSIN_TLS": value}).tls is tls


def test_without_a_setting_no_page_may(api: httpx.Client) -> None:
    asked = api.options("/jobs", headers={"Origin": PAGE, **ASKS})
    assert not any(name.startswith("access-control") for name in asked.headers)


@pytest.mark.parametrize(
    "origin", ["*", "null", "console.example", PAGE + "/", "https://*.example", PAGE.upper()]
)
def test_an_origin_that_is_none_is_no_setting(origin: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        read_settings({"TOCSIN_CORS_ORIGINS": f"{PAGE},{origin}"})
    settings = read_settings({"TOCSIN_CORS_ORIGINS": f"{PAGE}, http://127.0.0.1:8080"})
    assert settings.cors_origins == (PAGE, "http://127.0.0.1:8080")


@pytest.mark.parametrize("sane", ["a", "A.b_c-1", "x" * 128])
def test_a_sane_request_id_is_taken_and_answered(api: httpx.Client, sane: str) -> None:
    for path in ("/nope", "/jobs", "/jobs", "/health/live"):
        assert api.get(path, headers={"X-Request-Id": sane}).headers["x-request-id"] == sane


@pytest.mark.parametrize("odd", [b"", b"x" * 129, b"a b", b"a,b", b"\xff", b"a/b", b"a;"])
def test_an_odd_request_id_is_replaced(api: httpx.Client, odd: bytes) -> None:
    found = [
        api.get("/nope", headers=[(b"X-Request-Id", odd)]).headers["x-request-id"] for _ in range(2)
    ]
    assert len(set(found)) == 2
    assert all(len(one) == 36 for one in found)


def test_a_request_id_is_in_the_log_and_in_the_audit(
    system: System, api: httpx.Client, urls: ShardUrls, job_body: Callable[..., Any]
) -> None:
    request_id = f"r-{uuid4()}"
    made = api.post("/jobs", json=job_body(), headers={"X-Request-Id": request_id})
    assert made.status_code == 201
    system.newest("api").says(request_id)

    async def audited() -> list[str]:
        database = Database(urls.primary)
        async with database.driver() as driver:
            rows = await driver.fetch("SELECT action FROM audit WHERE request_id = $1", request_id)
        await database.close()
        return [row["action"] for row in rows]

    assert asyncio.run(audited()) == ["job.created"]
