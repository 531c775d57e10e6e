"""Simulated users are made over the API, once."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from loadtests.locust.principals import Principal, load, prepare, save, share_of
from tests.processes import System

TARGET = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def operator_key(system: System) -> str:
    return system.run("key", "create", "--operator")


def calls(system: System, principal: Principal) -> httpx.Response:
    headers = {"authorization": f"Bearer {principal.key}"}
    return httpx.get(f"{system.url}/jobs/{principal.job_id}", headers=headers)


async def test_each_user_has_a_key_and_sees_the_job_of_its_service(
    system: System, operator_key: str
) -> None:
    made = await prepare(system.url, operator_key, target=TARGET, users=7, services=3)

    assert len({one.key for one in made}) == 7
    assert len({one.service for one in made}) == 3
    assert {calls(system, one).status_code for one in made} == {200}


async def test_what_is_kept_is_used_again(
    system: System, operator_key: str, tmp_path: Path
) -> None:
    first = await prepare(system.url, operator_key, target=TARGET, users=4, services=2)
    save(first, tmp_path / "keys")

    kept = load(tmp_path / "keys")
    again = await prepare(system.url, operator_key, target=TARGET, users=6, services=2, kept=kept)

    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    assert {one.key for one in first} < {one.key for one in again}
    assert len(again) == 6


async def test_keys_of_another_installation_are_replaced(system: System, operator_key: str) -> None:
    strange = Principal(service="loadtest-0000", key="tk_strange", job_id="0" * 32)

    (made,) = await prepare(
        system.url, operator_key, target=TARGET, users=1, services=1, kept=[strange]
    )

    assert calls(system, made).status_code == 200


async def test_a_key_that_is_no_operators_makes_nothing(
    system: System, client: httpx.Client
) -> None:
    key = client.headers["authorization"].removeprefix("Bearer ")

    with pytest.raises(ExceptionGroup) as raised:
        await prepare(system.url, key, target=TARGET, users=1, services=1)
    assert "POST /services answered 403" in str(raised.value.exceptions[0])


def test_the_command_line_reads_the_environment(
    system: System, operator_key: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    environment = {
        "LOCUST_HOST": system.url,
        "LOCUST_USERS": "3",
        "TOCSIN_LOADTEST_SERVICES": "2",
        "TOCSIN_LOADTEST_SINK": "http://127.0.0.1:9",
        "TOCSIN_LOADTEST_PRINCIPALS": str(file),
        "TOCSIN_LOADTEST_OPERATOR_KEY": operator_key,
    }
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.locust.principals"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert len(load(file)) == 3


@pytest.mark.parametrize(("users", "services"), [(10_000, 1_000), (7, 3), (3, 3)])
def test_users_are_spread_over_all_services(users: int, services: int) -> None:
    shares = [share_of(users, services, number) for number in range(services)]

    assert sum(shares) == users
    assert max(shares) - min(shares) <= 1
