"""The receivers of docs/how-to do each run of Tocsin once, and nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.firing.target import Received, Target, created, ended
from tests.processes import CHECKOUT, wait_until

HOW_TO = CHECKOUT / "docs" / "how-to"
PROGRAMS = {
    "python": (sys.executable, "receiver.py", "--database"),
    "node": (shutil.which("node"), "receiver.mjs", "--folder"),
}
OTHER_SECRET = "whsec_" + "QUJD" * 10 + "QUI="


class Receiver:
    """One that runs."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def said(self) -> list[str]:
        """The lines that it printed."""
        return self._log.read_text().splitlines()

    @property
    def url(self) -> str:
        """Where it listens."""
        return wait_until(
            lambda: [line.split()[-1] for line in self.said if line.startswith("listening")],
            seconds=60,
            what="it listens",
        )[0]

    def did(self, run_id: str) -> int:
        """How often it did the work of a run."""
        return sum(line.startswith(f"did {run_id}: ") for line in self.said)


@contextmanager
def receiving(kind: str, secret: str, folder: Path) -> Iterator[Receiver]:
    program, name, keep = PROGRAMS[kind]
    if program is None:
        pytest.skip("There is no node.")
    log = folder / "receiver.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program, str(HOW_TO / name), "--port", "0", keep, str(folder / "kept")],
            env={**os.environ, "TOCSIN_SIGNING_SECRET": secret},
            stdout=output,
            stderr=output,
        )
    try:
        yield Receiver(log)
    finally:
        process.terminate()
        process.wait(10)


def new_secret(client: httpx.Client) -> str:
    service_id = client.get("/me").json()["service_id"]
    path = f"/services/{service_id}/signing-secrets/rotate"
    made = client.post(path, json={"overlap": 0})
    assert made.status_code == 201, made.text
    secret: str = made.json()["secret"]
    return secret


def recorded(client: httpx.Client) -> Received:
    """A ring, as it came."""
    with Target() as target:
        body = {"text": "wörds", "number": 1.0}
        whole = {"type": "http", "url": target.url, "body": body}
        ended(client, created(client, {"schedule": {"after": 0}, "target": whole}))
    (received,) = target.received
    return received


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_receiver_does_each_run_once(client: httpx.Client, tmp_path: Path, kind: str) -> None:
    secret = new_secret(client)
    with receiving(kind, f"{OTHER_SECRET} {secret}", tmp_path) as receiver:
        url = receiver.url
        for target in ({"body": {"n": 1}}, {}):
            whole = {"type": "http", "url": url, **target}
            job_id = created(client, {"schedule": {"after": 0}, "target": whole})
            run = ended(client, job_id)
            assert (run["state"], receiver.did(run["id"])) == ("succeeded", 1), run

        ring = recorded(client)
        run_id = ring.headers["webhook-id"]

        def send(body: bytes = ring.body, **changes: str) -> int:
            headers = {name: it for name, it in ring.headers.items() if name.startswith("webhook")}
            headers |= {name.replace("_", "-"): it for name, it in changes.items()}
            return httpx.post(url, content=body, headers=headers).status_code

        # Whoever has not signed it, has signed something else, or did so long ago.
        assert send(ring.body + b" ") == 401
        assert send(webhook_id="018f0000-0000-7000-8000-000000000000") == 401
        assert send(webhook_timestamp="1700000000") == 401
        assert send(webhook_timestamp="soon") == 401
        assert send(webhook_signature="v1,bm8=") == 401
        assert send(webhook_signature="") == 401
        assert receiver.did(run_id) == 0
        # Another secret's signature beside it is no fault, nor is a second delivery.
        both = f"v1,bm8= {ring.headers['webhook-signature']}"
        assert [send(webhook_signature=both), send(), send()] == [204, 204, 204]
        assert receiver.did(run_id) == 1
        assert receiver.said.count(f"had done {run_id}") == 2
    # It remembers beyond its own end.
    with receiving(kind, secret, tmp_path) as receiver:
        wait_until(lambda: sum("listening" in line for line in receiver.said) == 2, what="again")
        url = receiver.said[-1].split()[-1]
        assert send() == 204
        assert receiver.did(run_id) == 1


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.usefixtures("starts_processes")
def test_a_receiver_without_a_secret_does_not_begin(tmp_path: Path, kind: str) -> None:
    program, name, _ = PROGRAMS[kind]
    if program is None:
        pytest.skip("There is no node.")
    done = subprocess.run(
        [program, str(HOW_TO / name)],
        env={**os.environ, "TOCSIN_SIGNING_SECRET": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Set TOCSIN_SIGNING_SECRET to whsec_...")
