"""The demo key that `tocsin up` makes, and the first request to try with it."""

from __future__ import annotations

import http.client
import os
from pathlib import Path

REQUEST_SECONDS = 5.0
BODY = (
    '{{"name":"hello","schedule":{{"after":"PT2S"}},'
    '"target":{{"type":"http","url":"{url}/health/live","method":"GET"}}}}'
)


def curl(url: str, key: str) -> str:
    """A command that creates a job which calls the API itself, two seconds later."""
    return (
        f"curl -sS {url}/jobs -H 'Authorization: Bearer {key}'"
        f" -H 'Content-Type: application/json' -d '{BODY.format(url=url)}'"
    )


def read_key(path: Path) -> str | None:
    """The demo key of an earlier start."""
    return path.read_text().strip() if path.exists() else None


def keep_key(path: Path, key: str) -> None:
    """Keep the demo key where only its owner reads it."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")


def status_of(host: str, port: int, path: str, *, key: str = "") -> int | None:
    """The API's status for a GET, or None if it does not answer."""
    connection = http.client.HTTPConnection(host, port, timeout=REQUEST_SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
