"""A client service: it calls the API at whichever process, and writes down what it was told."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from tests.chaos.history import Complaint, Job, Op

ANSWER_SECONDS = 8.0
RESENT_FOR = 90.0
_NUMBERS = itertools.count(1)


class Service:
    """One service with its key; one thread calls at a time, but for bursts.

    Attributes:
        jobs: Those that were accepted.
        patches: What was asked of edits, by the description that came with them.
    """

    def __init__(self, key: str, apis: Callable[[], Sequence[str]], chance: random.Random) -> None:
        self.id = ""
        self.jobs: dict[str, Job] = {}
        self.patches: dict[str, Mapping[str, Any]] = {}
        self.ops: list[Op] = []
        self.complaints: list[Complaint] = []
        self._apis = apis
        self._chance = chance
        self._lock = threading.Lock()
        self._http = httpx.Client(
            headers={"authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=2.0),
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def call(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        json: object = None,
        job_id: str | None = None,
        key: str | None = None,
        detail: str = "",
    ) -> Op:
        """Call once; with a key, until there is an answer."""
        sent_at, deadline = datetime.now(UTC), time.monotonic() + RESENT_FOR
        while True:
            status, answer = self._send(method, path, json, key)
            in_progress = answer.get("type", "").endswith("in-progress")
            again = key is not None and (status is None or status >= 500 or in_progress)
            if not again or time.monotonic() > deadline:
                break
            time.sleep(0.25)
        op = Op(
            number=next(_NUMBERS),
            kind=kind,
            service_id=self.id,
            sent_at=sent_at,
            ended_at=datetime.now(UTC),
            status=status,
            job_id=job_id,
            detail=detail,
            answer=answer,
        )
        with self._lock:
            self.ops.append(op)
        return op

    def create(self, body: dict[str, Any], *, twice: bool = False) -> str | None:
        """Store a job under a key, and have its id; the same when it is sent twice."""
        key = str(uuid4())
        op = self.call("create", "POST", "/jobs", json=body, key=key)
        if not op.accepted:
            too_late = op.status == 422 and "at" in body["schedule"]
            if op.status is not None and op.status < 500 and not too_late:
                self.complain("accepted", f"a job was refused: {op.status} {op.answer}", None)
            return None
        job_id = str(op.answer["id"])
        self.jobs[job_id] = Job(id=job_id, service_id=self.id, body=body, name=body["name"])
        if twice:
            again = self.call("create_again", "POST", "/jobs", json=body, key=key)
            if again.accepted and again.answer["id"] != job_id:
                said = f"one key made jobs {job_id} and {again.answer['id']}"
                self.complain("accepted", said, job_id)
        self.reads_own(job_id, 1)
        return job_id

    def reads_own(self, job_id: str, version: int) -> None:
        """Read a job that was just written: it must be that version, or a later one."""
        status, answer = self._send("GET", f"/jobs/{job_id}", None, None)
        if status == 404 or (status == 200 and answer["version"] < version):
            said = f"version {version} was written, {status} with {answer.get('version')} was read"
            self.complain("own_writes", said, job_id)

    def reads_deleted(self, job_id: str) -> None:
        """Read a job that was just deleted: there must be none."""
        status, _ = self._send("GET", f"/jobs/{job_id}", None, None)
        if status == 200:
            self.complain("own_writes", "it was deleted, and was read", job_id)

    def get(self, path: str, **params: Any) -> dict[str, Any] | None:
        """Read something; None if there is no good answer."""
        status, answer = self._send("GET", path, None, None, params)
        return answer if status == 200 else None

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """All items of a list."""
        cursor: dict[str, str] = {}
        while page := self.get(path, **params, **cursor):
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def complain(self, promise: str, said: str, job_id: str | None) -> None:
        """Write down what is broken."""
        one = Complaint(promise=promise, at=datetime.now(UTC), said=said, job_id=job_id)
        with self._lock:
            self.complaints.append(one)

    def _send(
        self,
        method: str,
        path: str,
        json: object,
        key: str | None,
        params: Mapping[str, Any] | None = None,
    ) -> tuple[int | None, dict[str, Any]]:
        headers = {} if key is None else {"idempotency-key": key}
        url = self._chance.choice(self._apis()) + path
        try:
            answer = self._http.request(method, url, json=json, headers=headers, params=params)
        except httpx.HTTPError:
            return None, {}
        if answer.status_code == 500:
            self.complain("errors", f"{method} {path} was answered 500: {answer.text}", None)
        return answer.status_code, answer.json() if answer.content else {}
