"""Clients that write through one API process and read at once through another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import aiohttp

NEVER_SOON = {
    "schedule": {"cron": "0 0 1 1 *"},
    "target": {"type": "http", "url": "http://127.0.0.1:9/"},
}
MOST_JOBS = 60


class Interleaving:
    """One service, several clients; notes every read that is older than what was acknowledged.

    Attributes:
        violations: What no service may see.
        pairs: Writes that were followed by reads.
    """

    def __init__(self, urls: Sequence[str], key: str, seed: int) -> None:
        self.violations: list[str] = []
        self.pairs = 0
        self._urls = urls
        self._headers = {"authorization": f"Bearer {key}"}
        self._chance = random.Random(seed)
        self._acknowledged: dict[str, int] = {}
        self._deleting: set[str] = set()
        self._deleted: set[str] = set()

    async def run(self, *, clients: int, pairs: int) -> None:
        """Let the clients write and read until there were so many pairs, or a violation."""
        async with aiohttp.ClientSession(headers=self._headers) as session:
            await asyncio.gather(*(self._live(session, pairs) for _ in range(clients)))

    async def _live(self, session: aiohttp.ClientSession, pairs: int) -> None:
        while self.pairs < pairs and not self.violations:
            writing, reading = self._chance.sample(self._urls, 2)
            job_id = await self._write(session, writing)
            if job_id is None:
                continue
            self.pairs += 1
            await self._read(session, reading, job_id)
            await self._list(session, reading)

    async def _write(self, session: aiohttp.ClientSession, url: str) -> str | None:
        known = [job_id for job_id in self._acknowledged if job_id not in self._deleting]
        if len(known) < 3 or (len(known) < MOST_JOBS and self._chance.random() < 0.2):
            return self._note(await _call(session, "POST", f"{url}/jobs", NEVER_SOON))
        # A few jobs are written by several clients at once.
        job_id = self._chance.choice(known[:3] if self._chance.random() < 0.7 else known)
        if self._chance.random() < 0.1:
            self._deleting.add(job_id)
            await _call(session, "DELETE", f"{url}/jobs/{job_id}")
            self._deleted.add(job_id)
            return job_id
        what = self._chance.choice(["", "", "/pause", "/resume"])
        if what:
            return self._note(await _call(session, "POST", f"{url}/jobs/{job_id}{what}"))
        name = {"name": f"name-{self._chance.random()}"}
        return self._note(await _call(session, "PATCH", f"{url}/jobs/{job_id}", name))

    def _note(self, answer: tuple[int, Any]) -> str | None:
        status, job = answer
        if status >= 300:  # deleted meanwhile
            return None
        self._acknowledged[job["id"]] = max(self._acknowledged.get(job["id"], 0), job["version"])
        return str(job["id"])

    async def _read(self, session: aiohttp.ClientSession, url: str, job_id: str) -> None:
        at_least, gone = self._acknowledged[job_id], job_id in self._deleted
        status, job = await _call(session, "GET", f"{url}/jobs/{job_id}")
        if gone and status != 404:
            self.violations.append(f"{job_id} was deleted and is answered")
        elif not gone and status == 404 and job_id not in self._deleting:
            self.violations.append(f"{job_id} is not found")
        elif not gone and status == 200 and job["version"] < at_least:
            self.violations.append(f"{job_id} is read at {job['version']} after {at_least}")

    async def _list(self, session: aiohttp.ClientSession, url: str) -> None:
        at_least, gone = dict(self._acknowledged), set(self._deleted)
        _, page = await _call(session, "GET", f"{url}/jobs?limit=200")
        versions = {job["id"]: job["version"] for job in page["items"]}
        for job_id, version in at_least.items():
            if job_id in gone and job_id in versions:
                self.violations.append(f"{job_id} was deleted and is listed")
            elif job_id not in self._deleting and versions.get(job_id, 0) < version:
                self.violations.append(f"{job_id} is listed at {versions.get(job_id)}")


async def _call(
    session: aiohttp.ClientSession, method: str, url: str, body: Any = None
) -> tuple[int, Any]:
    async with session.request(method, url, json=body) as response:
        if response.status >= 500:
            raise AssertionError(f"{method} {url}: {response.status} {await response.text()}")
        return response.status, (await response.json() if response.status != 204 else None)
