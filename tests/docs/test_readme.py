"""What README, the first steps and the page of jobs show is done, and accepted by the API."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.processes import CHECKOUT, System, runs_of, wait_until

README = (CHECKOUT / "README.md").read_text()
START = (CHECKOUT / "docs" / "start.md").read_text()
JOBS = (CHECKOUT / "docs" / "reference" / "jobs.md").read_text()
HERE = "http://127.0.0.1:8000"
UNTIL_IT_RANG = f'until call "{HERE}/jobs/$ID/runs" | grep -q succeeded; do sleep 0.1; done'


@pytest.fixture
def folder(client: httpx.Client, tmp_path: Path) -> Path:
    """A folder as `make run` leaves it, with the client's key for the demo's."""
    (tmp_path / ".data").mkdir()
    key = client.headers["authorization"].removeprefix("Bearer ")
    (tmp_path / ".data" / "demo-key").write_text(key)
    return tmp_path


def done(commands: str, folder: Path, system: System) -> str:
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace(HERE, system.url)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_readme_is_one_page() -> None:
    assert len(README.encode()) <= 8 * 1024


def test_the_first_curl_rings(system: System, client: httpx.Client, folder: Path) -> None:
    (curl,) = re.findall(r"```sh\n(curl .*?)```", README, re.DOTALL)
    job = json.loads(done(curl, folder, system))
    wait_until(
        lambda: [run["state"] for run in runs_of(client, job["id"])] == ["succeeded"],
        what="the first job rang",
    )


def test_the_first_steps_are_taken(system: System, client: httpx.Client, folder: Path) -> None:
    first, *steps = re.findall(r"```sh\n(.*?)```", START, re.DOTALL)
    assert first == "make run\n"
    commands = "".join(steps)
    assert "\nsleep 3\n" in commands
    said = done(commands.replace("\nsleep 3\n", f"\n{UNTIL_IT_RANG}\n"), folder, system)
    assert '"state":"succeeded"' in said
    assert '"pause_reason":"lunch"' in said
    assert client.get("/jobs").json()["items"] == []


def test_the_example_of_a_job_is_accepted(client: httpx.Client) -> None:
    (block,) = re.findall(r"```jsonc\n(.*?)```", JOBS, re.DOTALL)
    body = json.loads(re.sub(r"//.*", "", block.replace("https://", "https:\\/\\/")))
    answer = client.post("/jobs", json={**body, "name": str(uuid4())})
    assert answer.status_code == 201, answer.text
    assert body["schedule"].items() <= answer.json()["schedule"].items()


def test_the_table_of_schedules_is_accepted(client: httpx.Client) -> None:
    rows = re.findall(r"^\| `(\{.*?\})` \|", JOBS, re.MULTILINE)
    assert len(rows) == 6
    for row in rows:
        answer = client.post("/schedules/preview", json={"schedule": json.loads(row)})
        assert answer.status_code == 200, answer.text
