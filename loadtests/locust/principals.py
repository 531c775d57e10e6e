"""Services, keys and first jobs for simulated users, made over the API; those kept are used again.

A file keeps them, for a key's text is told only once; so it is readable by its owner only.
"""

import argparse
import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

USERS, SERVICES = 10_000, 1_000
CONNECTIONS = 48
ATTEMPTS = 5
SEED = 20_261_124
SCOPES = ["read", "operate", "write", "admin"]
NAME = "loadtest"
OPERATOR_KEY = "TOCSIN_LOADTEST_OPERATOR_KEY"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated user: a key of its own, and a job of its service to begin with."""

    service: str
    key: str
    job_id: str


class Setup:
    """Makes what is missing at one API.

    Args:
        target: The URL that the jobs ring.
    """

    def __init__(self, session: aiohttp.ClientSession, operator_key: str, target: str) -> None:
        self._session = session
        self._operator_key = operator_key
        self._target = target

    async def service(self, name: str, users: int) -> list[Principal]:
        """A service with a job and a key for each of its users."""
        path = f"/services/{await self._service_id(name)}/keys"
        first = await self._key(path, self._operator_key)
        # The others are made by the first: an operator has a limit of its own.
        others = [await self._key(path, first) for _ in range(users - 1)]
        job = await self._call("POST", "/jobs", first, job_of(self._target))
        return [Principal(service=name, key=key, job_id=job["id"]) for key in (first, *others)]

    async def is_good(self, principal: Principal) -> bool:
        """Whether this API knows a key that was kept, and its job."""
        headers = {"authorization": f"Bearer {principal.key}"}
        async with self._session.get(f"/jobs/{principal.job_id}", headers=headers) as answer:
            return answer.status == 200

    async def _service_id(self, name: str) -> str:
        made = await self._call("POST", "/services", self._operator_key, {"name": name}, also=409)
        if "id" not in made:  # it is there from an earlier set-up
            named = {"Tocsin-Service": name}
            me = await self._call("GET", "/me", self._operator_key, headers=named)
            return str(me["service_id"])
        return str(made["id"])

    async def _key(self, path: str, by: str) -> str:
        made = await self._call("POST", path, by, {"name": NAME, "scopes": SCOPES})
        return str(made["key"])

    async def _call(
        self,
        method: str,
        path: str,
        key: str,
        body: object = None,
        *,
        also: int = 200,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON of an answer of success, or of status `also`."""
        sent = {"authorization": f"Bearer {key}"} | (headers or {})
        status, content = 0, b""
        for _ in range(ATTEMPTS):
            async with self._session.request(method, path, json=body, headers=sent) as answer:
                status, content = answer.status, await answer.read()
                if status < 300 or status == also:
                    return msgspec.json.decode(content, type=dict[str, Any])
                await asyncio.sleep(float(answer.headers.get("retry-after", 0)))
            if status not in (429, 503):
                break
        raise RuntimeError(f"{method} {path} answered {status}: {content[:200]!r}")


def job_of(target: str) -> dict[str, object]:
    """An hourly job; all of them together are spread over the hour."""
    return {
        "name": "simulated",
        "schedule": {"cron": "H * * * *"},
        "overlap": "allow_all",
        "target": {"type": "http", "url": target, "method": "POST", "body": {"n": 1}},
    }


async def prepare(
    url: str,
    operator_key: str,
    *,
    target: str,
    users: int = USERS,
    services: int = SERVICES,
    kept: list[Principal] | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> list[Principal]:
    """So many users of so many services; those kept are used again if the API knows them.

    Args:
        done: Told how many users there are, again and again.
    """
    async with aiohttp.ClientSession(
        url, connector=aiohttp.TCPConnector(limit=CONNECTIONS)
    ) as session:
        setup = Setup(session, operator_key, target)
        found = await _still_good(setup, kept or [])
        made = [*found]
        limit = asyncio.Semaphore(CONNECTIONS)

        async def make(number: int) -> None:
            name, wanted = f"{NAME}-{number:04}", share_of(users, services, number)
            async with limit:
                missing = wanted - sum(one.service == name for one in found)
                if missing > 0:
                    made.extend(await setup.service(name, missing))
                    done(len(made))

        await _all([make(number) for number in range(services)])
    # Users of one service would otherwise come one after the other in everything they do.
    random.Random(SEED).shuffle(made)
    return made[:users]


def share_of(users: int, services: int, number: int) -> int:
    """How many of the users one of the services has."""
    return users // services + (number < users % services)


async def _still_good(setup: Setup, kept: list[Principal]) -> list[Principal]:
    """Those kept, if the first and the last of them are good here."""
    if not kept or not all([await setup.is_good(one) for one in (kept[0], kept[-1])]):
        return []
    return kept


async def _all(tasks: list[Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_awaited(task))


async def _awaited(task: Awaitable[None]) -> None:
    await task


def load(path: Path) -> list[Principal]:
    """What a file keeps; nothing if there is none."""
    return msgspec.json.decode(path.read_bytes(), type=list[Principal]) if path.exists() else []


def save(principals: list[Principal], path: Path) -> None:
    """Keep them in a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(principals))


def main() -> None:
    """Prepare from the command line."""
    environment = os.environ.get
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m loadtests.locust.principals"
    )
    parser.add_argument("--host", default=environment("LOCUST_HOST"), help="the API's URL")
    parser.add_argument("--users", type=int, default=environment("LOCUST_USERS", USERS))
    parser.add_argument(
        "--services", type=int, default=environment("TOCSIN_LOADTEST_SERVICES", SERVICES)
    )
    parser.add_argument(
        "--sink", default=environment("TOCSIN_LOADTEST_SINK"), help="the URL that jobs ring"
    )
    parser.add_argument(
        "--file", type=Path, default=environment("TOCSIN_LOADTEST_PRINCIPALS"), help="kept there"
    )
    chosen = parser.parse_args()
    operator_key = environment(OPERATOR_KEY)
    if not (chosen.host and chosen.sink and chosen.file and operator_key):
        parser.error(f"give --host, --sink, --file, and {OPERATOR_KEY}")
    made = asyncio.run(
        prepare(
            chosen.host,
            operator_key,
            target=f"{chosen.sink}/ok",
            users=chosen.users,
            services=chosen.services,
            kept=load(chosen.file),
        )
    )
    save(made, chosen.file)
    print(f"{len(made)} users in {chosen.file}")


if __name__ == "__main__":
    main()
