"""What services do meanwhile: one thread each, by chance, from the seed."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.chaos.bodies import Bodies
from tests.chaos.history import Op
from tests.chaos.nominal import parsed
from tests.chaos.service import Service

PAUSE_SECONDS = 0.45
BURST = 6
MOST_JOBS = 26
FILLED_IN = timedelta(seconds=60)


class Workload:
    """The calls of one service."""

    def __init__(self, service: Service, bodies: Bodies, chance: random.Random) -> None:
        self._service = service
        self._bodies = bodies
        self._chance = chance
        self._standing: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def prepare(self) -> None:
        """Store the jobs of the beginning."""
        for body in self._bodies.standing():
            if (job_id := self._service.create(body)) is not None:
                self._standing.append(job_id)
        assert self._standing, "no job could be stored"

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def stop(self) -> None:
        """End, when the call under way has ended."""
        self._stop.set()
        self._thread.join(180)
        if self._thread.is_alive():
            self._service.complain("processes", "a call does not end within 180 s", None)

    def settle(self) -> None:
        """Stop all jobs from firing, so that what they owe can be told."""
        for job_id in self._service.jobs:
            self._service.call(
                "last_pause", "POST", f"/jobs/{job_id}/pause", job_id=job_id, key=str(uuid4())
            )

    def _run(self) -> None:
        works, weights = zip(*WORKS, strict=True)
        while not self._stop.wait(self._chance.expovariate(1 / PAUSE_SECONDS)):
            (work,) = self._chance.choices(works, weights)
            try:
                work(self)
            except Exception:  # noqa: BLE001 (whatever it is, it is to be seen)
                self._service.complain("harness", traceback.format_exc(), None)

    # Single calls.

    def one_shot(self) -> None:
        body = self._bodies.one_shot(datetime.now(UTC))
        self._service.create(body, twice=self._chance.random() < 0.2)

    def trigger(self) -> None:
        self._trigger(self._any(), self._maybe_key())

    def burst(self) -> None:
        """One trigger, then several at once, of a job whose runs do not overlap."""
        job_id = self._any()
        self._trigger(job_id, None)
        with ThreadPoolExecutor(BURST) as pool:
            list(pool.map(lambda _: self._trigger(job_id, None), range(BURST)))

    def pause(self) -> None:
        self._change("pause", "POST", "/pause", self._any())

    def resume(self) -> None:
        """Let one fire again that is paused, also by its target's 410."""
        page = self._service.get("/jobs", state="paused", limit=20)
        known = [one["id"] for one in (page or {"items": []})["items"]]
        if known:
            body = {"catch_up": self._chance.random() < 0.5}
            self._change("resume", "POST", "/resume", self._chance.choice(known), body)

    def edit_schedule(self) -> None:
        schedule = self._bodies.schedule()
        # In place of the old one as a whole, its count too: what is judged is one schedule each.
        whole = {"schedule": NO_SCHEDULE | schedule, "reset_run_count": True}
        self._edit({"schedule": schedule}, whole)

    def edit_target(self) -> None:
        changes = {"target": self._bodies.target()}
        self._edit(changes, changes)

    def delete(self) -> None:
        """Delete one, and store another in its place."""
        if len(self._standing) >= MOST_JOBS:
            job_id = self._standing.pop(self._chance.randrange(len(self._standing)))
            op = self._service.call("delete", "DELETE", f"/jobs/{job_id}", job_id=job_id)
            if op.accepted:
                self._service.reads_deleted(job_id)
        if (made := self._service.create(self._bodies.any_standing())) is not None:
            self._standing.append(made)

    def cancel(self) -> None:
        if (run := self._a_run(state="running")) is not None:
            self._of_run("cancel", run)

    def cancel_some(self) -> None:
        body = {"job_id": self._any(), "limit": 20}
        self._service.call("cancel_some", "POST", "/runs/cancel", json=body)

    def replay(self) -> None:
        if (run := self._a_run(state=self._chance.choice(["failed", "succeeded"]))) is not None:
            self._of_run("replay", run)

    def replay_some(self) -> None:
        self._service.call(
            "replay_some",
            "POST",
            "/runs/replay",
            json={"since": "1970-01-01T00:00:00Z", "limit": 5},
        )

    def backfill(self) -> None:
        end = datetime.now(UTC) - timedelta(seconds=self._chance.randint(1, 30))
        body = {
            "start": (end - self._chance.random() * FILLED_IN).isoformat(),
            "end": end.isoformat(),
            "only_missing": self._chance.random() < 0.5,
            "runs_per_minute": self._chance.choice([30, 120, 600]),
            "overlap": self._chance.choice(["buffer_all", "allow_all"]),
        }
        job_id = self._any()
        path = f"/jobs/{job_id}/backfills"
        op = self._service.call(
            "backfill", "POST", path, json=body, job_id=job_id, key=self._maybe_key()
        )
        if op.accepted and self._chance.random() < 0.15:
            path = f"/backfills/{op.answer['id']}/cancel"
            self._service.call("cancel_backfill", "POST", path, job_id=job_id)

    def look(self) -> None:
        """Read lists as people do; a job just stored is in them."""
        body = self._bodies.one_shot(datetime.now(UTC) + timedelta(seconds=20))
        job_id = self._service.create(body)
        page = self._service.get("/jobs", name_prefix=body["name"], limit=200)
        if job_id and page and job_id not in {one["id"] for one in page["items"]}:
            self._service.complain("own_writes", "it was stored, and is in no list", job_id)
        self._service.get(f"/jobs/{self._any()}/ledger")
        self._service.get("/stats")

    # How they are made.

    def _any(self) -> str:
        return self._chance.choice(self._standing)

    def _maybe_key(self) -> str | None:
        key = str(uuid4())
        return key if self._chance.random() < 0.5 else None

    def _trigger(self, job_id: str, key: str | None) -> Op:
        return self._service.call(
            "trigger", "POST", f"/jobs/{job_id}/trigger", job_id=job_id, key=key
        )

    def _a_run(self, **chosen: str) -> dict[str, Any] | None:
        page = self._service.get("/runs", limit=50, **chosen)
        return self._chance.choice(page["items"]) if page and page["items"] else None

    def _of_run(self, kind: str, run: dict[str, Any]) -> None:
        path = f"/runs/{run['id']}/{kind}"
        self._service.call(kind, "POST", path, job_id=run["job_id"], key=self._maybe_key())

    def _edit(self, changes: dict[str, Any], patch: dict[str, Any]) -> None:
        description = f"edit {uuid4()}"
        self._service.patches[description] = changes
        self._change("patch", "PATCH", "", self._any(), patch | {"description": description})

    def _change(
        self, kind: str, method: str, suffix: str, job_id: str, body: object = None
    ) -> None:
        op = self._service.call(kind, method, f"/jobs/{job_id}{suffix}", json=body, job_id=job_id)
        if op.accepted:
            self._service.reads_own(job_id, op.answer["version"])
            assert parsed(op.answer["updated_at"])


_FIELDS = "at after every phase cron rrule specs timezone exclude start_at end_at max_runs jitter"
NO_SCHEDULE = dict.fromkeys([*_FIELDS.split(), "gap", "fold"])
WORKS: tuple[tuple[Callable[[Workload], None], int], ...] = (
    (Workload.one_shot, 30),
    (Workload.trigger, 10),
    (Workload.burst, 4),
    (Workload.pause, 5),
    (Workload.resume, 9),
    (Workload.edit_schedule, 4),
    (Workload.edit_target, 4),
    (Workload.delete, 4),
    (Workload.cancel, 5),
    (Workload.cancel_some, 1),
    (Workload.replay, 4),
    (Workload.replay_some, 1),
    (Workload.backfill, 3),
    (Workload.look, 8),
)
