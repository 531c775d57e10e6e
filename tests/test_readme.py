"""README tells the truth: what it lists is what there is."""

from __future__ import annotations

import json
import re
import subprocess
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

import app.api  # noqa: F401
import workers.dispatcher.process
import workers.housekeeping.clock
import workers.worker.process  # noqa: F401
from app.problems import problem_of
from app.settings import PREFIX, Settings
from domain.errors import AnswersKept, KeyInProgress, KeyReused
from tests.processes import CHECKOUT, System, runs_of, wait_until

README = (CHECKOUT / "README.md").read_text()
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs" / "how-to").glob("*.md"))]


def test_every_setting_is_in_readme() -> None:
    written = set(re.findall(rf"`({PREFIX}[A-Z_]+)`", README))
    assert written == {PREFIX + name.upper() for name in Settings.__struct_fields__}


def test_every_metric_is_in_readme() -> None:
    written = set(re.findall(r"`(tocsin_[a-z_]+)`", README))
    families = (family for family in REGISTRY.collect() if family.name.startswith("tocsin_"))
    there = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert written == there


def test_every_problem_type_is_in_readme() -> None:
    rows = re.findall(r"`urn:tocsin:problem:([a-z-]+)` \| (\d+)", README)
    own = {("invalid", "422"), ("uri-too-long", "414"), ("quota-exceeded", "403")}
    for error in (KeyInProgress(), KeyReused(), AnswersKept(1)):
        found = problem_of(error)
        own.add((found.type.rpartition(":")[2], str(found.status)))
    own.add(("idempotency-key-invalid", "400"))
    for name, status in rows:
        phrase = HTTPStatus(int(status)).phrase.lower().replace(" ", "-")
        assert name == phrase or (name, status) in own
    assert set(rows) >= own
    assert len(rows) == len(set(rows)) == 21


def test_every_folder_is_in_readme() -> None:
    rows = set(re.findall(r"^\| `([a-z/-]+)/` \|", README, re.MULTILINE))
    tracked = subprocess.run(
        ["git", "ls-files", "*.py", "*.txt"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    folders = {str(Path(name).parent) for name in tracked.stdout.split()}
    top = {folder for folder in folders if not folder.startswith("tests/")}
    assert rows == top - {"storage/migrations", "storage/migrations/versions"}


def test_every_endpoint_is_in_readme(system: System) -> None:
    document = httpx.get(f"{system.url}/openapi.json").json()
    there = {
        f"{method.upper()} {re.sub(r'{[a-z]+_id}', '{id}', path)}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    table = README.split("## Endpoints")[1].split("## How it works")[0]
    written = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^` ]*)`", table))
    assert written == there | {"GET /openapi.json", "GET /docs"}


def test_the_first_curl_rings(system: System, client: httpx.Client, tmp_path: Path) -> None:
    (curl,) = re.findall(r"```sh\n(curl .*?)```", README, re.DOTALL)
    (tmp_path / ".data").mkdir()
    key = client.headers["authorization"].removeprefix("Bearer ")
    (tmp_path / ".data" / "demo-key").write_text(key)
    done = subprocess.run(
        ["bash", "-c", curl.replace("http://127.0.0.1:8000", system.url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    job = json.loads(done.stdout)
    wait_until(
        lambda: [run["state"] for run in runs_of(client, job["id"])] == ["succeeded"],
        what="the first job rang",
    )


@pytest.mark.parametrize("block", re.findall(r"```jsonc\n(.*?)```", README, re.DOTALL))
def test_the_example_of_a_job_is_accepted(client: httpx.Client, block: str) -> None:
    body = json.loads(re.sub(r"//.*", "", block.replace("https://", "https:\\/\\/")))
    answer = client.post("/jobs", json={**body, "name": str(uuid4())})
    assert answer.status_code == 201, answer.text
    assert body["schedule"].items() <= answer.json()["schedule"].items()


def test_the_table_of_schedules_is_accepted(client: httpx.Client) -> None:
    rows = re.findall(r"^\| `(\{.*?\})` \|", README, re.MULTILINE)
    assert len(rows) == 6
    for row in rows:
        answer = client.post("/schedules/preview", json={"schedule": json.loads(row)})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    assert links
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link
