"""Everything that the API's document describes, tried at random: `python -m tests.api.fuzzing`."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from storage.postgres.pools import Database
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.processes import System
from tests.servers import started_servers, urls_of

DATABASE = "fuzzed"
EXAMPLES = 6
SECONDS = 600
SEEDS = 1_000_000
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


@contextmanager
def unheard_system(urls: ShardUrls, folder: Path) -> Iterator[System]:
    """An API on a database that no dispatcher and no worker looks at: nothing there ever rings."""

    def renamed(url: str) -> str:
        return f"{url.rpartition('/')[0]}/{DATABASE}"

    async def create() -> None:
        database = Database(urls.primary)
        async with database.driver() as driver:
            await driver.execute(f"CREATE DATABASE {DATABASE}")
        await database.close()

    asyncio.run(create())
    own = ShardUrls(
        primary=renamed(urls.primary),
        replicas=tuple(renamed(url) for url in urls.replicas),
        redis=urls.redis,
    )
    with System(own, folder) as system:
        system.migrate()
        system.start("api")
        yield system


def fuzz(
    system: System, key: str, folder: Path, *, seed: int, service: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Try every operation with a key, by itself and after others whose answers it needs.

    Args:
        service: The service to act in, for an operator's key.

    Returns:
        The finished program with its report; its exit status is 0 if nothing was found.
    """
    config = folder / "schemathesis.toml"
    config.write_text(f"[auth.openapi.api_key]\nbearer = {msgspec.json.encode(key).decode()}\n")
    named = ("--header", f"Tocsin-Service: {service}") if service else ()
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config)),
            *("run", f"{system.url}/openapi.json", "--checks", ",".join(CHECKS)),
            *("--seed", str(seed), "--max-examples", str(EXAMPLES), "--no-shrink"),
            # They are about what it cannot guess: ids, and rules that JSON Schema has no words for.
            *("--warnings", "off"),
            *named,
        ],
        cwd=folder,
        # Its reports speak UTF-8 whatever the machine does.
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def main(minutes: float) -> int:
    """Fuzz with one seed after the other until the time is up, as an operator of the installation.

    Returns:
        1 when something was found; its report is printed.
    """
    until = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers may run as another account
        with (
            started_servers(folder / "servers") as servers,
            unheard_system(urls_of(servers), folder) as system,
        ):
            key, service = asyncio.run(_operator(system))
            while time.monotonic() < until:
                seed = random.randrange(SEEDS)
                done = fuzz(system, key, folder, seed=seed, service=service)
                print(f"seed {seed}: {'clean' if done.returncode == 0 else 'found something'}")  # noqa: T201
                if done.returncode:
                    print(done.stdout, done.stderr)  # noqa: T201
                    return 1
    return 0


async def _operator(system: System) -> tuple[str, str]:
    """An operator's key, and the name of a service to act in."""
    shards, now = Shards(system.urls), datetime.now(UTC)
    await bootstrap_key(BootstrapKey(service_name="fuzzed", now=now), shards)
    key = await bootstrap_key(BootstrapKey(service_name=None, now=now), shards)
    await shards.close()
    return key, "fuzzed"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.api.fuzzing", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    sys.exit(main(parser.parse_args().minutes))
