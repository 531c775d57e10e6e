"""An upgrade of the schema under load: code from before it goes on, beside the code it is for."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest

from loadtests.sink.process import SinkProcess
from storage.schema.migrate import newest_revision
from storage.urls import ShardUrls
from tests.ha.traffic import Outcome, traffic
from tests.processes import CHECKOUT, System

NAMES = ("api", "dispatcher", "worker", "clock")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it was before the newest revision, taken from the history."""
    # Wherever the folder of migrations was then.
    added = f":(glob)storage/**/migrations/versions/{newest_revision()}_*.py"
    commits = (
        git("log", "--diff-filter=A", "--no-renames", "--format=%H", "--", added).decode().split()
    )
    if not commits:
        pytest.skip("The checkout has no history: nobody knows what ran before the last revision.")
    folder = tmp_path_factory.mktemp("older")
    archive = git("archive", f"{commits[-1]}^")
    if not archive:
        pytest.skip("The checkout's history does not reach back before the last revision.")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    assert revision_in(folder) < newest_revision()
    return folder


def git(*arguments: str) -> bytes:
    """What git says, or nothing where there is none or it has nothing to say."""
    try:
        return subprocess.run(
            ["git", *arguments], cwd=CHECKOUT, capture_output=True, check=True, timeout=60
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def revision_in(folder: Path) -> str:
    versions = folder.glob("storage/**/migrations/versions/0*.py")
    return max(version.name.partition("_")[0] for version in versions)


@pytest.fixture
def before(urls: ShardUrls, older: Path, tmp_path: Path) -> Iterator[System]:
    """All of Tocsin as it was, on a schema of its time."""
    folder = tmp_path / "before"
    folder.mkdir()
    with System(urls, folder, older) as running:
        running.migrate()
        running.start(*NAMES)
        yield running


@pytest.fixture
def after(urls: ShardUrls, tmp_path: Path) -> Iterator[System]:
    """What takes its place; nothing of it runs yet."""
    folder = tmp_path / "after"
    folder.mkdir()
    with System(urls, folder) as running:
        yield running


def test_older_code_goes_on_with_the_newer_schema(
    before: System, after: System, sink: SinkProcess
) -> None:
    service = f"ha-{uuid4()}"
    with before.client(service) as client, traffic(client, sink) as made:
        after.migrate()
        made.wait_for_writes(60)
        after.start(*NAMES)
        with after.client(service) as new_client:
            assert new_client.get("/jobs", params={"limit": 200}).json()["items"]
        for name in ("dispatcher", "worker", "clock"):
            before.newest(name).stop()
            made.wait_for_writes(20)
        made.stop()
        outcome = Outcome(client, sink, made)
        outcome.tell(made)
        assert not made.failed
        outcome.rang_once()
